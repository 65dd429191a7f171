import CGRPCShims
import Machine
import Wire

/// What became of one attempt at a request.
enum CallOutcome {
    case finished(Result<ClientReply, ClientError>)
    /// It failed without harm and may be tried at another server; the error is for when there is none. `isAnswer`: the server
    /// itself said so.
    case mayTryNext(ClientError, isAnswer: Bool)
}

/// How one call to one server ended, for those who decide for themselves what to do next.
public enum CallEnd: Hashable, Sendable {
    /// The server's own word, be it a failure.
    case reply(ClientReply)
    /// There was no connection: the request was certainly not sent.
    case unreachable(String)
    /// No answer came, or none that is one: the request may have arrived.
    case broken(String)
}

extension CallEnd {
    /// Judges a call that is over. It had a connection, so it may have been sent.
    init(of call: aviary_client_call, _ attempt: ClientAttempt, server: Address) {
        let message = String(call.details)
        if call.status == GRPC_STATUS_OK {
            switch CallOutcome.reply(of: call, method: attempt.method, server: server) {
            case .success(let reply): self = .reply(reply)
            case .failure(let error): self = .broken(error.message)
            }
        } else if call.trailing_metadata.value(of: CallStatus.outcomeKey) != nil || call.status == GRPC_STATUS_UNIMPLEMENTED {
            let redirect = call.trailing_metadata.value(of: CallStatus.redirectKey).flatMap { Address($0) }
            self = .reply(.failed(ClientError(status: call.status, message, redirect: redirect)))
        } else {
            // Without the server's own word a status comes from the transport, which knows nothing of what happened.
            self = .broken(call.status == GRPC_STATUS_DEADLINE_EXCEEDED ? "no answer in time" : message)
        }
    }
}

extension CallOutcome {
    /// Judges a call that is over. It had a connection, so it may have been sent.
    init(of call: aviary_client_call, _ attempt: ClientAttempt, server: Address) {
        if call.status == GRPC_STATUS_OK {
            self = .finished(Self.reply(of: call, method: attempt.method, server: server))
            return
        }
        let message = String(call.details)
        switch call.status {
        case GRPC_STATUS_UNAVAILABLE:
            // Without the server's own word, UNAVAILABLE comes from the transport, which knows nothing of what
            // happened.
            if call.trailing_metadata.value(of: CallStatus.outcomeKey) == CallStatus.notExecuted {
                self = .mayTryNext(ClientError(.unavailable, message), isAnswer: true)
            } else if attempt.isRead {
                self = .mayTryNext(
                    ClientError(.unavailable, "the connection to \(server) broke: \(message)"), isAnswer: false)
            } else {
                self = .finished(.failure(ClientError(.aborted, "the connection to \(server) broke: \(message)")))
            }
        default:
            let redirect = call.trailing_metadata.value(of: CallStatus.redirectKey).flatMap { Address($0) }
            self = .finished(.failure(ClientError(status: call.status, message, redirect: redirect)))
        }
    }

    /// A request that found no connection and was never sent.
    static func unsent(to server: Address, _ reason: String) -> CallOutcome {
        .mayTryNext(ClientError(.unavailable, "\(server) cannot be reached: \(reason)"), isAnswer: false)
    }

    fileprivate static func reply(
        of call: aviary_client_call, method: UnaryMethod, server: Address
    ) -> Result<ClientReply, ClientError> {
        do throws(Malformed) {
            guard let response = call.response else { throw Malformed() }
            return .success(try withContents(of: response) { bytes throws(Malformed) in try method.reply(decoding: bytes) })
        } catch {
            return .failure(ClientError(.aborted, "\(server) answered with something that is not the method's response"))
        }
    }
}

extension ClientRequest {
    /// What goes over the wire.
    var message: MessagePointer {
        switch self {
        case .key(let request, _): makeMessage(request)
        case .transfer(let request): makeMessage(request)
        case .recover(let request): makeMessage(request)
        case .status, .routes: makeMessage(EmptyMessage())
        }
    }
}

extension UnaryMethod {
    init(_ request: ClientRequest) {
        self =
            switch request {
            case .key(let request, _): UnaryMethod(request.kind)
            case .status: .status
            case .routes: .routes
            case .transfer: .transfer
            case .recover: .recover
            }
    }

    init(_ kind: KeyRequest.Kind) {
        self =
            switch kind {
            case .put: .put
            case .get: .get
            case .delete: .delete
            case .openSession: .openSession
            }
    }

    fileprivate func reply(decoding bytes: UnsafeRawBufferPointer) throws(Malformed) -> ClientReply {
        if let kind { return try ClientReply(KeyReply(to: kind, decoding: bytes)) }
        switch self {
        case .routes: return .routes(try Routes(decoding: bytes))
        case .transfer: return .transferred(try Transferred(from: ProtobufReader(bytes)))
        case .recover: return .recovered(try Recovered(from: ProtobufReader(bytes)))
        case .put, .get, .delete, .openSession, .status: return .status(try ClusterStatus(decoding: bytes))
        }
    }
}

extension ClientError {
    /// A status that a call ended with. Codes that Aviary does not use come from gRPC or from something that is not
    /// Aviary.
    fileprivate init(status: grpc_status_code, _ message: String, redirect: Address?) {
        if let code = Code(rawValue: Int(status.rawValue)) {
            self.init(code, message, redirect: redirect)
        } else if status == GRPC_STATUS_UNIMPLEMENTED {
            self.init(.failedPrecondition, message)
        } else if status == GRPC_STATUS_CANCELLED {
            self.init(.aborted, "the call was cancelled")
        } else {
            self.init(.aborted, "gRPC status \(status.rawValue): \(message)")
        }
    }
}
