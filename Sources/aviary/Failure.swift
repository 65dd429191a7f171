/// Why a command did not do what it was asked to: one clear line for standard error, and exit code 2.
struct Failure: Error, Equatable {
    let message: String

    init(_ message: String) { self.message = message }
}

/// What the exit codes of every command mean.
enum ExitStatus {
    /// Done.
    static let done: Int32 = 0
    /// No such key; of `health`: not serving; of a node: it stopped because it must not go on.
    static let no: Int32 = 1
    /// An error, named on standard error.
    static let error: Int32 = 2
}
