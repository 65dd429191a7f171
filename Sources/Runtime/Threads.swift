import class Foundation.Thread

/// Runs `body` on a new thread that nobody joins.
///
/// - Parameter name: what debuggers and `top -H` show, at most 15 bytes.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
    Thread {
        Thread.current.name = name
        body()
    }.start()
}
