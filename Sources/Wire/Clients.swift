import Machine

/// A request about one key.
public enum KeyRequest: Hashable, Sendable {
    case put(key: [UInt8], value: [UInt8])
    case get(key: [UInt8])
    case delete(key: [UInt8])

    public var key: [UInt8] {
        switch self {
        case .put(let key, _), .get(let key), .delete(let key): key
        }
    }

    /// The bytes of key and value, for budgets.
    public var payloadBytes: Int {
        switch self {
        case .put(let key, let value): key.count + value.count
        case .get(let key), .delete(let key): key.count
        }
    }

    public var isRead: Bool {
        switch self {
        case .get: true
        case .put, .delete: false
        }
    }
}

/// What a client can ask of any node.
public enum ClientRequest: Hashable, Sendable {
    /// `patience`: how long the client still waits, where it said so.
    indirect case key(KeyRequest, patience: Nanoseconds?)
    case status
}

public enum ClientReply: Hashable, Sendable {
    case put
    /// nil: not found.
    case value([UInt8]?)
    case deleted(existed: Bool)
    indirect case status(ClusterStatus)
    indirect case failed(ClientError)
}

/// Why a request failed. Every failure says whether it certainly did not happen.
public struct ClientError: Error, Hashable, Sendable {
    /// The gRPC codes that Aviary uses, with the meaning that gRPC users expect.
    public enum Code: Int, Hashable, Sendable, CaseIterable {
        /// Empty or oversized key, oversized value. Did not happen.
        case invalidArgument = 3
        /// May have happened.
        case deadlineExceeded = 4
        /// A bound was reached. Did not happen.
        case resourceExhausted = 8
        /// Not the primary, or not the owner; `redirect` names the right node if known. Did not happen.
        case failedPrecondition = 9
        /// May have happened.
        case aborted = 10
        /// No primary yet, or no way to it. Did not happen.
        case unavailable = 14
        /// Stored bytes are damaged and no replica has them.
        case dataLoss = 15
    }

    public var code: Code
    /// One clear line that names the offender and the limit.
    public var message: String
    public var redirect: Address?

    public init(_ code: Code, _ message: String, redirect: Address? = nil) {
        self.code = code
        self.message = message
        self.redirect = redirect
    }

    public var mayHaveHappened: Bool {
        switch code {
        case .deadlineExceeded, .aborted: true
        case .invalidArgument, .resourceExhausted, .failedPrecondition, .unavailable, .dataLoss: false
        }
    }
}

/// Limits on what clients may store.
public struct Limits: Hashable, Sendable {
    /// Longest key, in bytes.
    public var keyBytes: Int
    /// Longest value, in bytes.
    public var valueBytes: Int

    public init(keyBytes: Int = 1024, valueBytes: Int = 1 << 20) {
        self.keyBytes = keyBytes
        self.valueBytes = valueBytes
    }

    /// nil where the request is within the limits, else INVALID_ARGUMENT with the limit in the message.
    public func violation(of request: KeyRequest) -> ClientError? {
        let key = request.key
        if key.isEmpty { return ClientError(.invalidArgument, "the key is empty; a key has 1 to \(keyBytes) bytes") }
        if key.count > keyBytes {
            return ClientError(.invalidArgument, "the key has \(key.count) bytes; the limit is \(keyBytes)")
        }
        if case .put(_, let value) = request, value.count > valueBytes {
            return ClientError(.invalidArgument, "the value has \(value.count) bytes; the limit is \(valueBytes)")
        }
        return nil
    }
}
