import ArgumentParser
import AviaryClient
import Foundation
import GRPCAdapter
import Machine
import Wire

/// `aviary client`
struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "A prompt to store, read and remove keys.",
        discussion: "Lines are edited and remembered on a terminal (~/.aviary_history); from a pipe they are just read.")

    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let addresses = try servers.addresses()
        let prompt = Prompt(aviary: try servers.aviary(), client: try servers.client(), timeout: servers.timeout.length)
        guard Terminal.isInteractive else {
            while let line = readLine() {
                guard await prompt.obey(line) else { break }
            }
            return
        }
        StandardStream.output.write(
            "Aviary \(aviaryVersion), servers \(addresses.map(\.description).joined(separator: ", ")); help tells what can be typed.\n"
        )
        var history = History(path: History.defaultPath)
        let terminal = Terminal(commands: Prompt.commands)
        while let line = terminal.readLine(prompt: "aviary> ", history: history.lines) {
            history.append(line)
            guard await prompt.obey(line) else { break }
        }
    }
}

/// What the lines typed at the prompt do.
struct Prompt {
    static let commands = ["put", "get", "del", "status", "help", "quit"]

    let aviary: AviaryClient
    /// For what is asked of servers themselves.
    let client: KVClient
    let timeout: Nanoseconds

    static let help = """
        put KEY VALUE    store a value under a key
        get KEY          show the value of a key
        del KEY          remove a key
        status           show the cluster
        help             show this
        quit             leave (also Ctrl-D)

        Words with blanks go in quotes: put "a key" 'a value'. Within "…" and bare words \\n \\t \\r \\0 \\\\ \\" \\' and \\xHH
        stand for bytes. Values that are not plain text are shown so too.

        """

    /// Does what a line says; false where it says to leave.
    func obey(_ line: String) async -> Bool {
        do {
            let words = try ShellWords.split(line)
            guard let command = words.first.map({ String(decoding: $0, as: UTF8.self) }) else { return true }
            switch (command, words.count - 1) {
            case ("put", 2):
                try await aviary.put(words[1], words[2])
                say("OK")
            case ("get", 1):
                say(try await aviary.get(words[1]).value.map(ShellWords.show) ?? "not found")
            case ("del", 1), ("delete", 1):
                say(try await aviary.delete(words[1]).existed ? "OK" : "not found")
            case ("status", 0): say(StatusTable(try await client.status(timeout: timeout)).text, end: "")
            case ("help", _), ("?", _): say(Self.help, end: "")
            case ("quit", 0), ("exit", 0): return false
            case ("put", _): complain("put takes a key and a value; words with blanks go in quotes")
            case ("get", _), ("del", _), ("delete", _): complain("\(command) takes one key; words with blanks go in quotes")
            case ("status", _), ("quit", _), ("exit", _): complain("\(command) takes nothing")
            default: complain("unknown command \(ShellWords.quote(words[0])); help tells what can be typed")
            }
        } catch let problem as ShellWords.Problem {
            complain(problem.message)
        } catch let error as AviaryError {
            complain(describe(error, isRead: line.drop { $0 == " " }.hasPrefix("get")))
        } catch let error as ClientError {
            complain(describe(error, isRead: line.drop { $0 == " " }.hasPrefix("get")))
        } catch {
            complain("\(error)")
        }
        return true
    }

    private func say(_ text: String, end: String = "\n") { StandardStream.output.write(text + end) }
    private func complain(_ text: String) { StandardStream.error.write("error: \(text)\n") }
}
