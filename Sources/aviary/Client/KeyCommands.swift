import ArgumentParser
import AviaryClient
import Foundation
import Machine
import Wire

/// How keys and values are given and shown.
struct KeyFormat: ParsableArguments {
    @Flag(help: "Print the result as one JSON object.")
    var json = false

    @Flag(help: "KEY, and VALUE unless it is -, are base64, for bytes that a command line cannot hold.")
    var base64 = false

    @Flag(help: "Say which state the answer was made from, as group@history:number: on standard error, or in the JSON object.")
    var position = false

    /// As it appears in the JSON object.
    func text(_ position: GroupPosition) -> String? { self.position ? position.description : nil }

    /// On standard error, unless it goes into the JSON object.
    func tell(_ position: GroupPosition) {
        if self.position, !json { StandardStream.error.write("\(position)\n") }
    }

    /// - Throws: `Failure` where `--base64` was given and the argument is not base64.
    func bytes(_ argument: String, _ meaning: String) throws(Failure) -> [UInt8] {
        guard base64 else { return Array(argument.utf8) }
        guard let data = Data(base64Encoded: argument) else { throw Failure("the \(meaning) is not base64") }
        return [UInt8](data)
    }
}

/// `aviary put`
struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Store a value under a key.",
        discussion: """
            Done means: durable on all in-sync stores of the group (synced, unless their setting sync says less). Words that begin \
            with a dash go behind --.
            """)

    @Argument(help: "The key.") var key: String
    @Argument(help: "The value; - reads it from standard input.") var value: String
    @OptionGroup var format: KeyFormat
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let key = try format.bytes(key, "key")
        let value = value == "-" ? try readStandardInput() : try format.bytes(value, "value")
        let aviary = try servers.aviary()
        let position = try await reporting(reads: false) { () async throws(AviaryError) in
            try await aviary.put(key, value)
        }
        format.tell(position)
        let result = KeyResult(key: key, done: true, position: format.text(position))
        StandardStream.output.write(format.json ? try JSONLine.encode(result) : "OK\n")
    }

    /// - Throws: `Failure` where it cannot be read, or is larger than any value may be.
    private func readStandardInput() throws -> [UInt8] {
        let limit = 9 << 20
        guard let data = try FileHandle.standardInput.read(upToCount: limit) else { return [] }
        if data.count == limit { throw Failure("standard input holds more than a value may: \(limit) bytes or more") }
        return [UInt8](data)
    }
}

/// How fresh a value has to be, in words.
enum Consistency: String, ExpressibleByArgument, CaseIterable {
    case linearizable, confirmed, stale

    /// - Throws: `Failure` where a position is given to a read that sees everything anyway.
    func mode(atLeast position: GroupPosition?) throws(Failure) -> AviaryClient.Consistency {
        guard position == nil || self == .stale else { throw Failure("--at-least is for --consistency stale") }
        return switch self {
        case .linearizable: .linearizable
        case .confirmed: .confirmed
        case .stale: .stale(atLeast: position)
        }
    }
}

extension GroupPosition: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// `aviary get`
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print the value of a key; exit code 1 where there is none.",
        discussion: """
            The value is printed as its bytes are, followed by a newline on a terminal only (or with --newline).

            A linearizable read (the usual one) and a confirmed one see everything that was acknowledged before; the first \
            trusts that the nodes' clocks run at about the same rate, the second asks all in-sync stores instead. A stale one is \
            answered by any store, with or without a primary, and may miss what is new; with --at-least it sees at least what \
            the answer saw whose --position that is.
            """)

    @Argument(help: "The key.") var key: String
    @Flag(help: "End the value with a newline in any case.") var newline = false
    @Option(help: "How fresh the value has to be: linearizable, confirmed or stale.")
    var consistency = Consistency.linearizable
    @Option(help: ArgumentHelp("Of a stale read: see at least the state of that position.", valueName: "position"))
    var atLeast: GroupPosition?
    @OptionGroup var format: KeyFormat
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let key = try format.bytes(key, "key")
        let mode = try consistency.mode(atLeast: atLeast)
        let aviary = try servers.aviary()
        let reading = try await reporting(reads: true) { () async throws(AviaryError) in try await aviary.get(key, mode) }
        let (value, position) = (reading.value, reading.position)
        format.tell(position)
        if format.json {
            let result = KeyResult(key: key, found: value != nil, value: value, position: format.text(position))
            StandardStream.output.write(try JSONLine.encode(result))
        } else if let value {
            StandardStream.output.write(value + (newline || StandardStream.output.isTerminal ? [10] : []))
        } else {
            StandardStream.error.write("aviary: not found\n")
        }
        if value == nil { throw ExitCode(ExitStatus.no) }
    }
}

/// `aviary delete`
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Remove a key; exit code 1 where there was none.",
        aliases: ["del"])

    @Argument(help: "The key.") var key: String
    @OptionGroup var format: KeyFormat
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let key = try format.bytes(key, "key")
        let aviary = try servers.aviary()
        let (existed, position) = try await reporting(reads: false) { () async throws(AviaryError) in
            try await aviary.delete(key)
        }
        format.tell(position)
        if format.json {
            let result = KeyResult(key: key, existed: existed, position: format.text(position))
            StandardStream.output.write(try JSONLine.encode(result))
        } else if existed {
            StandardStream.output.write("OK\n")
        } else {
            StandardStream.error.write("aviary: not found\n")
        }
        if !existed { throw ExitCode(ExitStatus.no) }
    }
}
