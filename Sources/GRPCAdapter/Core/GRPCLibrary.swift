import CGRPCShims

/// gRPC C-core, the library underneath.
public enum GRPCLibrary {
    /// C-core's version, for `--version` and logs.
    public static var version: String {
        start()
        return String(cString: grpc_version_string())
    }

    /// Starts the library, once in a process, and for as long as it lives: with servers and clients that come and go on
    /// several threads there is no moment at which ending it would be safe, and the kernel frees everything at exit.
    ///
    /// C-core logs to standard error; it stays silent unless `GRPC_VERBOSITY` is set in the environment.
    static func start() { _ = started }

    private static let started: Void = aviary_grpc_start()
}
