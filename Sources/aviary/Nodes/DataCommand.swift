import ArgumentParser
import Coordination
import Foundation
import Machine
import Nodes
import Runtime
import Storage

/// `aviary data`
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Run a data node: one store of one group, as its primary or a standby.")

    @Option(help: ArgumentHelp("The group that this node belongs to (environment: name).", valueName: "group"))
    var name: String?

    @Option(help: ArgumentHelp("The store's log, db.txt without it (environment: dbfile).", valueName: "path"))
    var dbfile: String?

    @Option(
        help: ArgumentHelp(
            "Scratch file for rewrites of the log, rollback.txt without it (environment: rbfile).", valueName: "path"))
    var rbfile: String?

    @Option(
        help: ArgumentHelp(
            """
            When a write counts: always (when it is synced), interval:<ms> (when it is written; synced that much later at most) or \
            none (synced when the system likes); always without it (environment: sync). A store with another one than always that \
            was not closed cleanly is not elected for what it held.
            """, valueName: "policy"))
    var sync: String?

    @Option(
        help: ArgumentHelp(
            """
            How many in-sync stores must have a write before it is acknowledged, the primary among them; 1 without it \
            (environment: minsync). The same for all nodes of a group; with fewer in-sync, writes wait.
            """, valueName: "stores"))
    var minsync: String?

    @OptionGroup var options: NodeOptions

    func run() async throws {
        var flags = options.flags
        flags[.name] = name
        flags[.dbfile] = dbfile
        flags[.rbfile] = rbfile
        flags[.sync] = sync
        flags[.minsync] = minsync
        let reader = Settings(flags: flags, environment: ProcessInfo.processInfo.environment)
        let settings = try NodeSettings(reader)
        let store = try StoreSettings(reader)
        let logger = settings.logger("data \(store.group) \(settings.address)")
        var hostSettings = HostSettings(address: settings.address, zooKeeper: settings.zooKeeper)
        hostSettings.sessionTimeout = settings.sessionTimeout
        hostSettings.server = settings.serverLimits
        hostSettings.files = [.log: store.log, .rollback: store.rollback]
        let host = try NodeHost(settings: hostSettings, logger: logger) { address, random in
            var options = DataOptions()
            options.limits = settings.limits
            options.storage.limits = settings.limits
            options.storage.sync = store.sync
            options.replication.minSync = store.minSync
            return DataNode(group: store.group, address: address, options: options, random: random)
        }
        logger.info(
            "data node starting",
            metadata: [
                "version": "\(aviaryVersion)", "address": "\(settings.address)", "zooaddr": "\(settings.zooKeeper)",
                "sessiontimeout": "\(settings.sessionTimeout.milliseconds)", "name": "\(store.group)", "dbfile": "\(store.log)",
                "rbfile": "\(store.rollback)", "sync": "\(store.syncText)", "minsync": "\(store.minSync)",
            ])
        do {
            throw try await NodeProgram(host: host).execute(logger: logger)
        } catch let refusal as Failure where !refusal.message.contains(store.log) {
            // The machine speaks of its dbfile; it does not know where that is.
            throw Failure("\(store.log): \(refusal.message)")
        }
    }
}

/// What a data node is told beyond what every node is.
struct StoreSettings {
    let group: String
    let log: String
    let rollback: String
    let sync: SyncPolicy
    /// As it was given.
    let syncText: String
    let minSync: Int

    /// - Throws: `Failure` naming the setting that is missing or wrong.
    init(_ settings: Settings) throws(Failure) {
        guard let group = settings.text(.name) else {
            throw Settings.missing(.name, "the group that this data node belongs to, such as zdata1")
        }
        if let problem = GroupName.problem(group) { throw Failure(problem) }
        self.group = group
        log = settings.text(.dbfile) ?? "db.txt"
        rollback = settings.text(.rbfile) ?? "rollback.txt"
        if log == rollback {
            throw Failure("dbfile and rbfile are both \"\(log)\"; a rewrite would destroy the log, so they must differ")
        }
        syncText = settings.text(.sync) ?? "always"
        guard let sync = StoreSettings.sync(syncText) else {
            throw settings.problem(.sync, syncText, "always, none, or interval:<ms> with 1 to 60000 ms")
        }
        self.sync = sync
        minSync = try settings.integer(.minsync, default: 1, in: 1...GroupConfig.mostInSync)
    }

    private static func sync(_ text: String) -> SyncPolicy? {
        switch text {
        case "always": return .always
        case "none": return SyncPolicy.none
        default:
            let word = "interval:"
            guard text.hasPrefix(word), let length = Int64(text.dropFirst(word.count)), (1...60_000).contains(length) else {
                return nil
            }
            return .interval(.milliseconds(length))
        }
    }
}
