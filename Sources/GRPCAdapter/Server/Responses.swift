import AviaryProtos
import CGRPCShims
import Wire

extension UnaryMethod {
    /// What the method's message asks about a key; nil for a method that is not about keys.
    var kind: KeyRequest.Kind? {
        switch self {
        case .put: .put
        case .get: .get
        case .delete: .delete
        case .openSession: .openSession
        case .status, .routes, .transfer, .recover: nil
        }
    }

    /// The message with which a call of this method ends.
    func response(with reply: ClientReply) -> Result<MessagePointer, ClientError> {
        switch (self, reply) {
        case (.put, .done(.put, let position)), (.get, .done(.value, let position)),
            (.delete, .done(.deleted, let position)), (.openSession, .done(.opened, let position)):
            reply.result.map { .success(makeMessage(KeyReply(result: $0, position: position))) } ?? .failure(Self.mismatch)
        case (.status, .status(let status)): response { try Aviary_V1_StatusResponse(status).serializedBytes() }
        case (.routes, .routes(let routes)): response { try Aviary_V1_RoutesResponse(routes).serializedBytes() }
        case (.transfer, .transferred(let result)): .success(makeMessage(result))
        case (.recover, .recovered(let result)): .success(makeMessage(result))
        case (_, .failed(let error)): .failure(error)
        case (.put, _), (.get, _), (.delete, _), (.openSession, _), (.status, _), (.routes, _),
            (.transfer, _), (.recover, _):
            .failure(Self.mismatch)
        }
    }

    private func response(_ serialize: () throws -> [UInt8]) -> Result<MessagePointer, ClientError> {
        guard let bytes = try? serialize() else { return .failure(Self.mismatch) }
        return .success(makeMessage(bytes))
    }

    /// The node's own mistake. What it did instead is anybody's guess.
    private static let mismatch = ClientError(.aborted, "the node's reply does not fit the method")
}
