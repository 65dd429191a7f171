import Foundation
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Wire

/// The real binary, built beside the tests.
enum Binary {
    static let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "aviary").path(percentEncoded: false)

    struct Result {
        let code: Int32
        let output: [UInt8]
        let error: String

        var text: String { String(decoding: output, as: UTF8.self) }
        /// Standard error, where it is one line that this program wrote.
        var complaint: String? {
            guard error.hasPrefix("aviary: "), error.hasSuffix("\n") else { return nil }
            let line = error.dropFirst("aviary: ".count).dropLast()
            return line.isEmpty || line.contains("\n") ? nil : String(line)
        }
    }

    /// Runs it to its end, with nothing of this process's own settings in its environment.
    static func run(_ arguments: [String], environment: [String: String] = [:], input: [UInt8] = []) throws -> Result {
        let folder = TemporaryFolder("binary")
        try Data(input).write(to: URL(filePath: folder.file("in")))
        for name in ["out", "error"] { try Data().write(to: URL(filePath: folder.file(name))) }
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: folder.path)
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path].merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: folder.file("in")))
        process.standardOutput = FileHandle(forWritingAtPath: folder.file("out"))
        process.standardError = FileHandle(forWritingAtPath: folder.file("error"))
        try process.run()
        process.waitUntilExit()
        return Result(
            code: process.terminationStatus, output: [UInt8](try Data(contentsOf: URL(filePath: folder.file("out")))),
            error: try String(contentsOfFile: folder.file("error"), encoding: .utf8))
    }
}

/// A server of the wire protocol that keeps keys in a dictionary: what a client cannot tell from a cluster.
final class Store: Sendable {
    private let server: GRPCServer
    let address: Address

    /// - Parameter answer: what to answer instead to what a user asks for; nil for the dictionary's own answer.
    init(_ answer: @escaping @Sendable (ClientRequest) -> ClientReply? = { _ in nil }) throws {
        let holder = Holder()
        let values = Mutex<[[UInt8]: [UInt8]]>([:])
        server = try GRPCServer(
            listen: Address(host: "127.0.0.1", port: 0),
            handlers: GRPCServer.Handlers(
                requested: { request, call in
                    let reply =
                        (Self.isOverhead(request) ? nil : answer(request)) ?? values.withLock { Self.execute(request, on: &$0) }
                    holder.server.withLock { $0 }?.reply(reply, to: call)
                }, cancelled: { _ in }, received: { _, _ in }))
        holder.server.withLock { [server] in $0 = server }
        address = Address(host: "127.0.0.1", port: server.port)
        server.setServing(true)
        self.holder = holder
    }

    private let holder: Holder
    private final class Holder: Sendable {
        let server = Mutex<GRPCServer?>(nil)
    }

    deinit {
        holder.server.withLock { $0 = nil }
        server.shutDown(grace: .zero)
    }

    /// What a client asks by itself, before it asks what its user wants.
    private static func isOverhead(_ request: ClientRequest) -> Bool {
        switch request {
        case .routes, .key(.openSession, _): true
        case .key, .status, .transfer, .recover: false
        }
    }

    private static func execute(_ request: ClientRequest, on values: inout [[UInt8]: [UInt8]]) -> ClientReply {
        switch request {
        case .key(.put(let key, let value, _), _):
            values[key] = value
            return .put
        case .key(.get(let key, _), _): return .value(values[key])
        case .key(.delete(let key, _), _): return .deleted(existed: values.removeValue(forKey: key) != nil)
        case .key(.openSession, _):
            return .done(
                .opened(SessionID(opened: Position(term: 1, seq: 1))), at: .init(group: "birds", lineage: .init(""), seq: 1))
        case .transfer(let request):
            guard request.group == "birds" else {
                return .failed(
                    ClientError(.failedPrecondition, "server store:1 knows no group \(request.group); nothing was done"))
            }
            return .transferred(Transferred(primary: MemberID(store: StoreID("77"), number: request.to ?? 8), term: 5))
        case .recover(let request):
            let chosen = MemberID(store: request.store ?? StoreID("77"), number: 8)
            return .recovered(
                Recovered(
                    isDone: request.acceptsDataLoss,
                    chosen: Recovered.Candidate(member: chosen, last: Position(term: 4, seq: 120)),
                    others: [
                        Recovered.Candidate(
                            member: MemberID(store: StoreID("12"), number: 9), last: Position(term: 4, seq: 100))
                    ], formerLineage: Lineage("first"), formerTerm: 4,
                    formerInSync: [MemberID(store: StoreID("a"), number: 1)],
                    lineage: Lineage(request.acceptsDataLoss ? "second" : ""), term: 5))
        case .routes:
            let ring = RingStatus(version: 1, sealed: true, tokens: [RingToken(token: 1, group: "birds")])
            return .routes(Routes(ring: ring, groups: []))
        case .status:
            let ring = RingStatus(version: 0, sealed: false, tokens: [])
            return .status(
                ClusterStatus(
                    answeredBy: Address(host: "store", port: 1), coordinated: true, master: nil, servers: [], groups: [],
                    ring: ring))
        }
    }
}
