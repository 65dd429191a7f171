import ArgumentParser
import Foundation
import GRPCAdapter
import Machine

/// `aviary bench`
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load a cluster, and say how fast it answers.",
        discussion: """
            Writes every key once, then sends puts and gets for a while, a fixed number of them in flight. The keys it writes are
            bench-0, bench-1, …; they stay. Point --server at a server, or straight at the primary of the only group.
            """)

    @Option(help: "How long to measure, in seconds.") var seconds = 10
    @Option(help: "Requests in flight.") var inflight = 64
    @Option(help: "How many keys.") var keys: UInt64 = 10_000
    @Option(help: "Bytes of a value.") var valueBytes = 128
    @Option(help: "Share of gets among the requests, in percent.") var reads: UInt64 = 50
    @Option(help: "Seed of keys and values.") var seed: UInt64 = 1
    @Flag(help: "Print the result as one JSON object.") var json = false
    @OptionGroup var servers: ServerChoice

    func validate() throws {
        for (name, value, range) in [
            ("--seconds", seconds, 1...86_400), ("--inflight", inflight, 1...10_000),
            ("--value-bytes", valueBytes, 0...(1 << 20)),
        ] where !range.contains(value) {
            throw ValidationError("\(name) \(value) is not from \(range.lowerBound) to \(range.upperBound)")
        }
        guard reads <= 100 else { throw ValidationError("--reads \(reads) is more than 100 percent") }
        guard keys > 0 else { throw ValidationError("--keys must be at least 1") }
    }

    func run() async throws {
        let client = try servers.client()
        defer { client.shutDown() }
        let load = ClosedLoop.Load(
            inFlight: inflight, keys: keys, valueBytes: valueBytes, readPercent: reads, timeout: servers.timeout.length
        )
        let fill = ClosedLoop(client: client, load: load, fills: true, seed: seed)
        fill.start()
        fill.wait()
        if let failure = fill.tally.firstFailure { throw Failure("cannot write the keys: \(failure)") }

        let loop = ClosedLoop(client: client, load: load, fills: false, seed: seed)
        let clock = ContinuousClock()
        let began = clock.now
        loop.start()
        var before: UInt64 = 0
        for second in 1...seconds {
            try await clock.sleep(until: began + .seconds(second))
            let done = loop.tally.done
            if StandardStream.error.isTerminal { StandardStream.error.write("\r\(second) s  \(done - before)/s   ") }
            before = done
        }
        let elapsed = clock.now - began
        let tally = loop.tally
        loop.stop()
        if StandardStream.error.isTerminal { StandardStream.error.write("\r\u{1B}[K") }
        let report = BenchReport(
            tally, seconds: Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18, load: load
        )
        StandardStream.output.write(json ? try JSONLine.encode(report) : report.text)
    }
}

/// What `bench` prints.
struct BenchReport: Encodable {
    let inFlight: Int
    let valueBytes: Int
    let readPercent: UInt64
    let seconds: Double
    let done: UInt64
    let failed: UInt64
    let firstFailure: String?
    let perSecond: Double
    let latencyMicros: [String: UInt64]

    init(_ tally: ClosedLoop.Tally, seconds: Double, load: ClosedLoop.Load) {
        inFlight = load.inFlight
        valueBytes = load.valueBytes
        readPercent = load.readPercent
        self.seconds = seconds
        done = tally.done
        failed = tally.failed
        firstFailure = tally.firstFailure
        perSecond = (Double(tally.done) / seconds).rounded()
        latencyMicros = [
            "p50": tally.latency.valueAtPercentile(50), "p99": tally.latency.valueAtPercentile(99),
            "p999": tally.latency.valueAtPercentile(99.9), "max": tally.latency.max,
        ]
    }

    var text: String {
        let latency = ["p50", "p99", "p999", "max"].map { "\($0) \(latencyMicros[$0]!) µs" }.joined(separator: "  ")
        let failures = failed == 0 ? "" : "  \(failed) failed, first: \(firstFailure ?? "")"
        return
            "\(Int(perSecond)) requests/s  \(latency)  (\(readPercent) % reads, \(inFlight) in flight, \(valueBytes)-byte values)\(failures)\n"
    }
}
