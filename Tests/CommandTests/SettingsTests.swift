import Machine
import Testing
import Wire

@testable import aviary

@Suite struct SettingsTests {
    @Test func `A flag wins over the environment, and that over the default`() throws {
        let settings = Settings(
            flags: [.serverport: "2000"], environment: ["serverport": "3000", "serverip": "192.0.2.1", "zooaddr": "zoo:2181/a"])
        #expect(try settings.address(defaultHost: "x") == Address(host: "192.0.2.1", port: 2000))
        #expect(settings.text(.zooaddr) == "zoo:2181/a")
        #expect(settings.text(.dbfile) == nil)
        #expect(try Settings(flags: [:], environment: [:]).address(defaultHost: "x") == Address(host: "x", port: 1926))
    }

    @Test func `Variables are read in lower or upper case; empty ones are not there`() {
        #expect(Settings(flags: [:], environment: ["NAME": "a"]).text(.name) == "a")
        #expect(Settings(flags: [:], environment: ["NAME": "a", "name": "b"]).text(.name) == "b")
        #expect(Settings(flags: [:], environment: ["name": ""]).text(.name) == nil)
    }

    @Test func `A data node's settings have the defaults of the documentation`() throws {
        let settings = Settings(flags: [:], environment: ["zooaddr": "z:2181", "name": "zdata1", "serverip": "::1"])
        let node = try NodeSettings(settings)
        #expect(node.address == Address(host: "::1", port: 1926))
        #expect(node.sessionTimeout == .milliseconds(4000))
        #expect(node.limits == Limits(keyBytes: 1024, valueBytes: 1 << 20))
        let store = try StoreSettings(settings)
        #expect((store.group, store.log, store.rollback) == ("zdata1", "db.txt", "rollback.txt"))
    }

    @Test(arguments: [
        (["zooaddr": ""], "zooaddr is not set"),
        (["serverport": "0"], "serverport is 0"),
        (["serverport": "65536"], "serverport"),
        (["serverport": "19x"], "serverport is 19x"),
        (["serverip": "a b"], "serverip is \"a b\""),
        (["serverip": "a/b"], "serverip"),
        (["sessiontimeout": "-1"], "sessiontimeout"),
        (["loglevel": "loud"], "trace, debug, info"),
        (["logformat": "xml"], "text, json"),
        (["maxkeybytes": "0"], "maxkeybytes"),
        (["maxvaluebytes": "1\n2"], "maxvaluebytes is \"1\\n2\""),
        (["name": ""], "name is not set"),
        (["name": "lock"], "lock"),
        (["name": "a/b"], "a/b"),
        (["name": String(repeating: "a", count: 65)], "64"),
        (["dbfile": "x", "rbfile": "x"], "must differ"),
    ])
    func `A wrong setting is refused in one line that names it`(change: [String: String], words: String) throws {
        let environment = ["zooaddr": "z:2181", "name": "zdata1"].merging(change) { $1 }
        let failure = #expect(throws: Failure.self) {
            let settings = Settings(flags: [:], environment: environment)
            _ = try NodeSettings(settings)
            _ = try StoreSettings(settings)
        }
        #expect(failure!.message.contains(words), "\(failure!.message)")
        #expect(!failure!.message.contains("\n"))
    }

    @Test func `An error says whether the flag or the environment is wrong`() {
        let flag = #expect(throws: Failure.self) {
            try NodeSettings(Settings(flags: [.serverport: "x", .zooaddr: "z"], environment: [:]))
        }
        #expect(flag!.message.hasPrefix("--serverport is x"))
        let variable = #expect(throws: Failure.self) {
            try NodeSettings(Settings(flags: [.zooaddr: "z"], environment: ["serverport": "x"]))
        }
        #expect(variable!.message.hasPrefix("the environment's serverport is x"))
    }
}

@Suite struct ServerChoiceTests {
    @Test func `Servers come as lists, repeated, with or without a port, in their order`() throws {
        let choice = try ServerChoice.parse(["--server", "a:1,b", "--server", "[::1]:2, ::2"])
        #expect(
            try choice.addresses(environment: [:]) == [
                Address(host: "a", port: 1), Address(host: "b", port: 1926), Address(host: "::1", port: 2),
                Address(host: "::2", port: 1926),
            ])
    }

    @Test func `Without --server the environment says where`() throws {
        let choice = try ServerChoice.parse([])
        #expect(
            try choice.addresses(environment: ["serverip": "h", "serverport": "7"]) == [Address(host: "h", port: 7)])
        #expect(try choice.addresses(environment: [:]).first == Address(host: "127.0.0.1", port: 1926))
    }

    @Test(arguments: ["a:0", "a:99999", "a:b", ":1", "a b", "http://a:1", ","])
    func `What is no address is refused`(text: String) throws {
        let choice = try ServerChoice.parse(["--server", text])
        #expect(throws: Failure.self) { try choice.addresses(environment: [:]) }
    }

    @Test(arguments: [("5", 5_000), ("0.5", 500), ("2s", 2_000), ("250ms", 250)])
    func `A time to wait is in seconds, or with a unit`(text: String, milliseconds: Int64) {
        #expect(Patience(argument: text)?.length == .milliseconds(milliseconds))
    }

    @Test(arguments: ["0", "-1", "x", "", "ms", "nan", "inf", "1e99"])
    func `What is no time to wait is refused`(text: String) {
        #expect(Patience(argument: text) == nil)
    }
}
