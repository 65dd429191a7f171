import ArgumentParser
import Foundation
import GRPCAdapter
import Machine
import Wire

/// How keys and values are given and shown.
struct KeyFormat: ParsableArguments {
    @Flag(help: "Print the result as one JSON object.")
    var json = false

    @Flag(help: "KEY, and VALUE unless it is -, are base64, for bytes that a command line cannot hold.")
    var base64 = false

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
        discussion: "Done means: on the disks of all in-sync stores of the group. Words that begin with a dash go behind --.")

    @Argument(help: "The key.") var key: String
    @Argument(help: "The value; - reads it from standard input.") var value: String
    @OptionGroup var format: KeyFormat
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let key = try format.bytes(key, "key")
        let value = value == "-" ? try readStandardInput() : try format.bytes(value, "value")
        let client = try servers.client()
        try await reporting(reads: false) { () async throws(ClientError) in
            try await client.put(key: key, value: value, timeout: servers.timeout.length)
        }
        StandardStream.output.write(format.json ? try JSONLine.encode(KeyResult(key: key, done: true)) : "OK\n")
    }

    /// - Throws: `Failure` where it cannot be read, or is larger than any value may be.
    private func readStandardInput() throws -> [UInt8] {
        let limit = 9 << 20
        guard let data = try FileHandle.standardInput.read(upToCount: limit) else { return [] }
        if data.count == limit { throw Failure("standard input holds more than a value may: \(limit) bytes or more") }
        return [UInt8](data)
    }
}

/// `aviary get`
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print the value of a key; exit code 1 where there is none.",
        discussion: "The value is printed as its bytes are, followed by a newline on a terminal only (or with --newline).")

    @Argument(help: "The key.") var key: String
    @Flag(help: "End the value with a newline in any case.") var newline = false
    @OptionGroup var format: KeyFormat
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let key = try format.bytes(key, "key")
        let client = try servers.client()
        let value = try await reporting(reads: true) { () async throws(ClientError) in
            try await client.get(key: key, timeout: servers.timeout.length)
        }
        if format.json {
            StandardStream.output.write(try JSONLine.encode(KeyResult(key: key, found: value != nil, value: value)))
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
        let client = try servers.client()
        let existed = try await reporting(reads: false) { () async throws(ClientError) in
            try await client.delete(key: key, timeout: servers.timeout.length)
        }
        if format.json {
            StandardStream.output.write(try JSONLine.encode(KeyResult(key: key, existed: existed)))
        } else if existed {
            StandardStream.output.write("OK\n")
        } else {
            StandardStream.error.write("aviary: not found\n")
        }
        if !existed { throw ExitCode(ExitStatus.no) }
    }
}
