import ArgumentParser
import Foundation
import GRPCAdapter
import Machine
import Wire

/// `aviary admin recover`
struct RecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "The last resort: let a group whose in-sync stores are all lost go on with what another store has.",
        discussion: """
            A group of which no in-sync store is left has no primary, because no other store is known to have every acknowledged \
            write. If the in-sync stores will not come back, this begins a new history with what another store has. Acknowledged \
            writes that it does not have are lost, and so is what the lost stores may still be doing where they are cut off: \
            make sure that they are down. Stores that come back later with the old history put their logs aside and take a copy. \
            Without --accept-data-loss it only says what would be done.
            """)

    @Option(help: ArgumentHelp("The group.", valueName: "name")) var group: String
    @Option(
        help: ArgumentHelp(
            "The store that shall be primary, as aviary status shows it; without it the one whose log goes furthest.",
            valueName: "uuid"))
    var store: String?
    @Flag(help: "Do it.") var acceptDataLoss = false
    @Flag(help: "Print the result as one JSON object.") var json = false
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let client = try servers.client()
        let timeout = servers.timeout.length
        let request = RecoverRequest(
            group: group, store: store.map { StoreID($0) }, acceptsDataLoss: acceptDataLoss,
            by: "\(NSUserName())@\(ProcessInfo.processInfo.hostName)")
        let result = try await reporting(reads: false) { () async throws(ClientError) in
            try await client.recover(request, timeout: timeout)
        }
        StandardStream.output.write(json ? try JSONLine.encode(Document(group: group, result)) : text(result))
        guard result.isDone else {
            throw Failure("nothing was done: give --accept-data-loss if the in-sync stores will not come back")
        }
    }

    private func text(_ result: Recovered) -> String {
        let last = result.chosen.last
        let members = result.formerInSync.map(\.description).joined(separator: ", ")
        let several = result.formerInSync.count > 1
        var lines = [
            "group \(group): in-sync store\(several ? "s" : "") \(members) \(several ? "are" : "is") not there; "
                + "history \(result.formerLineage) (term \(result.formerTerm)) \(result.isDone ? "ended" : "would end")"
        ]
        let chosen = "store \(result.chosen.member.store) (number \(result.chosen.member.number))"
        let rest = "with what it has, through entry \(last.seq) of term \(last.term)"
        lines.append(
            result.isDone
                ? "\(chosen) begins history \(result.lineage) as primary of term \(result.term), \(rest)"
                : "\(chosen) would begin a new history \(rest)")
        lines.append(
            "lost \(result.isDone ? "is" : "would be"): every acknowledged write after entry \(last.seq) that only the in-sync "
                + "stores had")
        for other in result.others {
            lines.append(
                "store \(other.member.store) (number \(other.member.number), through entry \(other.last.seq) of term "
                    + "\(other.last.term)) \(result.isDone ? "puts" : "would put") its log aside and "
                    + "\(result.isDone ? "takes" : "take") a copy")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Document: Encodable {
        var group: String
        var done: Bool
        var store: String
        var number: UInt64
        var term: UInt64
        var lineage: String
        var lostAfter: UInt64
        var formerLineage: String
        var formerTerm: UInt64
        var formerInSync: [String]

        init(group: String, _ result: Recovered) {
            self.group = group
            done = result.isDone
            store = result.chosen.member.store.text
            number = result.chosen.member.number
            term = result.term
            lineage = result.lineage.text
            lostAfter = result.chosen.last.seq
            formerLineage = result.formerLineage.text
            formerTerm = result.formerTerm
            formerInSync = result.formerInSync.map(\.description)
        }
    }
}
