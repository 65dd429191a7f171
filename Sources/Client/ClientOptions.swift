import Machine

/// What a client can be told.
public struct ClientOptions: Hashable, Sendable {
    /// How long an operation may take, where its caller does not say.
    public var timeout: Nanoseconds
    /// How long one attempt is waited for before another server is asked. Only what is safe to repeat is asked again.
    public var attemptTimeout: Nanoseconds
    /// The pause after the first failed attempt; it doubles with each one, up to `longestPause`, and half of it is drawn.
    public var firstPause: Nanoseconds
    public var longestPause: Nanoseconds
    /// Operations that may be under way or wait at once; one more is answered with RESOURCE_EXHAUSTED.
    public var operations: Int
    /// Whether mutations carry an identity, so that they are executed once however often they are sent.
    public var exactlyOnce: Bool
    /// Mutations of one group that may be under way at once; more wait. Below the window that a group keeps for a session.
    public var sessionWindow: Int
    /// Whether to ask the primary of a key's group itself, rather than any server.
    public var direct: Bool

    public init(
        timeout: Nanoseconds = .seconds(5), attemptTimeout: Nanoseconds = .seconds(2),
        firstPause: Nanoseconds = .milliseconds(10), longestPause: Nanoseconds = .seconds(1), operations: Int = 100_000,
        exactlyOnce: Bool = true, sessionWindow: Int = 512, direct: Bool = false
    ) {
        precondition(operations > 0 && sessionWindow > 0 && firstPause > .zero && longestPause >= firstPause)
        self.timeout = timeout
        self.attemptTimeout = attemptTimeout
        self.firstPause = firstPause
        self.longestPause = longestPause
        self.operations = operations
        self.exactlyOnce = exactlyOnce
        self.sessionWindow = sessionWindow
        self.direct = direct
    }
}
