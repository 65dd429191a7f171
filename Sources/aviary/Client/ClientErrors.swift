import AviaryClient
import Machine
import Wire

/// One clear line: the code as gRPC names it, what is wrong, and of a write, whether it may have happened all the same.
func describe(_ error: ClientError, isRead: Bool) -> String {
    describe(error.code, error.message, isOpen: !isRead && error.mayHaveHappened)
}

func describe(_ error: AviaryError, isRead: Bool) -> String {
    describe(error.code, error.message, isOpen: !isRead && error.outcome == .unknown)
}

private func describe(_ code: ClientError.Code, _ text: String, isOpen: Bool) -> String {
    let name =
        switch code {
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        }
    // gRPC's own words for it say no more than the code does.
    let message = text == "Deadline Exceeded" ? "no answer in time" : text
    return "\(name): \(message)\(isOpen && !message.contains("may have happened") ? "; it may have happened" : "")"
}

/// Lets a client's error leave as a ``Failure``.
func reporting<Result>(reads isRead: Bool, _ body: () async throws(ClientError) -> Result) async throws(Failure) -> Result {
    do {
        return try await body()
    } catch {
        throw Failure(describe(error, isRead: isRead))
    }
}

func reporting<Result>(reads isRead: Bool, _ body: () async throws(AviaryError) -> Result) async throws(Failure) -> Result {
    do {
        return try await body()
    } catch {
        throw Failure(describe(error, isRead: isRead))
    }
}
