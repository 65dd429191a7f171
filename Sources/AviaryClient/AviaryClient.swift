import Client
import Dispatch
import Machine
import Synchronization
import Wire

/// A client of an Aviary cluster.
///
///     let aviary = try AviaryClient(servers: ["10.0.0.1", "10.0.0.2:1926"])
///     try await aviary.put("wren", "troglodytes")
///     let (value, position) = try await aviary.get("wren")
///
/// It may be used from any task, and one is enough for a whole program. It finds a server that answers, follows redirections,
/// backs off, and repeats what failed on the way: a mutation carries an identity, so the cluster executes it once however often
/// it is sent. When an operation fails in the end, ``AviaryError/outcome`` says whether it certainly did not happen.
///
/// What it does is decided by a pure machine (`ClientMachine`), the same that runs under the simulator; here are its threads,
/// its connections and its clock.
public final class AviaryClient: Sendable {
    public typealias Options = ClientOptions
    public typealias Consistency = Client.Consistency
    /// What a group has committed, up to an entry of its log.
    public typealias Position = GroupPosition

    /// A value, or that there is none, and the state that says so.
    public struct Reading: Hashable, Sendable {
        public var value: [UInt8]?
        public var position: Position
    }

    let driver: ClientDriver

    /// - Parameters:
    ///   - servers: where servers are; at least one. More are better: any that answers will do.
    public init(servers: [Address], options: Options = Options()) {
        driver = ClientDriver(servers: servers, options: options)
    }

    /// - Parameter servers: `host` or `host:port`; the port is 1926 where none is given.
    /// - Throws: `AviaryError` where there is none, or one is malformed.
    public convenience init(servers: [String], options: Options = Options()) throws(AviaryError) {
        var addresses: [Address] = []
        for text in servers {
            guard let address = Address(text) ?? Address("\(text):1926") else {
                throw AviaryError(
                    ClientError(.invalidArgument, "\"\(text)\" is not an address; it must be host or host:port"), .notDone)
            }
            addresses.append(address)
        }
        guard !addresses.isEmpty else {
            throw AviaryError(ClientError(.invalidArgument, "a client must know at least one server"), .notDone)
        }
        self.init(servers: addresses, options: options)
    }

    deinit { driver.shutDown() }

    /// Ends the client: what is under way fails, and its connections close.
    public func shutDown() { driver.shutDown() }

    /// Stores a value under a key. It returns once the value is on the disks of all in-sync stores of the key's group.
    ///
    /// - Parameter timeout: how long to try; nil: as the options say.
    /// - Returns: the position of the state that the write led to; a stale read at least there sees it.
    @discardableResult
    public func put(_ key: [UInt8], _ value: [UInt8], timeout: Duration? = nil) async throws(AviaryError) -> Position {
        try await perform(.put(key: key, value: value), timeout).position
    }

    /// Reads the value of a key.
    public func get(
        _ key: [UInt8], _ consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws(AviaryError) -> Reading {
        let (result, position) = try await perform(.get(key: key, consistency), timeout)
        guard case .value(let value) = result else { throw Self.unfitting }
        return Reading(value: value, position: position)
    }

    /// Removes a key.
    ///
    /// - Returns: whether it was there, and the position of the state without it.
    @discardableResult
    public func delete(
        _ key: [UInt8], timeout: Duration? = nil
    ) async throws(AviaryError) -> (existed: Bool, position: Position) {
        let (result, position) = try await perform(.delete(key: key), timeout)
        guard case .deleted(let existed) = result else { throw Self.unfitting }
        return (existed, position)
    }

    // MARK: Text

    /// As ``put(_:_:timeout:)``, with the UTF-8 bytes of both.
    @discardableResult
    public func put(_ key: String, _ value: String, timeout: Duration? = nil) async throws(AviaryError) -> Position {
        try await put(Array(key.utf8), Array(value.utf8), timeout: timeout)
    }

    /// As ``get(_:_:timeout:)``, with the UTF-8 bytes of the key.
    public func get(
        _ key: String, _ consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws(AviaryError) -> Reading {
        try await get(Array(key.utf8), consistency, timeout: timeout)
    }

    /// As ``delete(_:timeout:)``, with the UTF-8 bytes of the key.
    @discardableResult
    public func delete(
        _ key: String, timeout: Duration? = nil
    ) async throws(AviaryError) -> (existed: Bool, position: Position) {
        try await delete(Array(key.utf8), timeout: timeout)
    }

    /// The machine answers only with results that fit, so this is never seen.
    private static let unfitting = AviaryError(ClientError(.aborted, "the answer does not fit the request"), .unknown)

    private func perform(
        _ operation: ClientOperation, _ timeout: Duration?
    ) async throws(AviaryError) -> (result: KeyResult, position: Position) {
        let length = timeout.map { timeout in
            let (seconds, attoseconds) = timeout.components
            return Nanoseconds(min(max(0, seconds), 1 << 30) * 1_000_000_000 + attoseconds / 1_000_000_000)
        }
        let id = driver.newOperation()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                driver.begin(id, operation, timeout: length) { continuation.resume(returning: $0) }
                if Task.isCancelled { driver.cancel(id) }
            }
        } onCancel: {
            driver.cancel(id)
        }
        switch outcome {
        case .done(let result, let position): return (result, position)
        case .notDone(let error): throw AviaryError(error, .notDone)
        case .unknown(let error): throw AviaryError(error, .unknown)
        }
    }
}

/// Why an operation failed, and what is certain about it.
public struct AviaryError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Outcome: Hashable, Sendable {
        /// It did not happen, and will not.
        case notDone
        /// It may have happened, or may still happen.
        case unknown
    }

    public var outcome: Outcome
    public var code: ClientError.Code
    /// One line that names the offender and the limit.
    public var message: String

    init(_ error: ClientError, _ outcome: Outcome) {
        self.outcome = outcome
        code = error.code
        message = error.message
    }

    public var description: String { "\(code): \(message)" }
}
