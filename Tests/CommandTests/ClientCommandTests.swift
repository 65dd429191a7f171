import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// `put`, `get`, `delete`, `status`, `health` and the prompt, as a script runs them.
@Suite(.timeLimit(.minutes(2))) struct ClientCommandTests {
    let store: Store
    let server: [String]

    init() throws {
        store = try Store()
        server = ["--server", store.address.description, "--timeout", "20"]
    }

    func run(_ arguments: String..., input: [UInt8] = []) throws -> Binary.Result {
        try Binary.run(arguments + server, input: input)
    }

    @Test func `Put, get and delete answer by exit codes`() throws {
        #expect(try run("put", "k", "v").code == 0)
        let got = try run("get", "k")
        #expect((got.code, got.text, got.error) == (0, "v", ""))
        #expect(try run("get", "k", "--newline").text == "v\n")
        #expect(try run("delete", "k").code == 0)
        let gone = try run("get", "k")
        #expect((gone.code, gone.text, gone.complaint) == (1, "", "not found"))
        #expect(try run("delete", "k").code == 1)
    }

    @Test func `A value comes from standard input as it is, and goes out so`() throws {
        let value = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(try run("put", "blob", "-", input: value).code == 0)
        #expect(try run("get", "blob").output == value)
        #expect(try run("put", "empty", "-").code == 0)
        let empty = try run("get", "empty")
        #expect((empty.code, empty.output) == (0, []))
    }

    @Test func `Words that begin with a dash go behind two`() throws {
        #expect(try Binary.run(["put"] + server + ["--", "-k", "--v"]).code == 0)
        #expect(try Binary.run(["get"] + server + ["--", "-k"]).text == "--v")
    }

    @Test func `JSON and base64 carry any bytes`() throws {
        #expect(try run("put", "--base64", "/w==", "AIA=", "--json").text == #"{"done":true,"keyBase64":"/w=="}"# + "\n")
        #expect(
            try run("get", "--base64", "/w==", "--json").text == #"{"found":true,"keyBase64":"/w==","valueBase64":"AIA="}"#
                + "\n")
        let missing = try run("get", "missing", "--json")
        #expect((missing.code, missing.text) == (1, #"{"found":false,"key":"missing"}"# + "\n"))
        #expect(try run("get", "--base64", "no base64").complaint == "the key is not base64")
    }

    @Test func `A transfer names the new primary, or says why not`() throws {
        let done = try run("admin", "transfer", "--group", "birds", "--to", "3")
        #expect((done.code, done.text) == (0, "group birds: number 3 is primary of term 5\n"))
        let any = try run("admin", "transfer", "--group", "birds", "--json")
        #expect(any.text == #"{"group":"birds","primary":8,"store":"77","term":5}"# + "\n")
        let unknown = try run("admin", "transfer", "--group", "fish")
        #expect(
            (unknown.code, unknown.complaint)
                == (2, "FAILED_PRECONDITION: server store:1 knows no group fish; nothing was done"))
        #expect(try run("admin", "transfer", "--group", "birds", "--to", "0").code == 2)
    }

    @Test func `A recovery says what would be lost, and does it only where that is accepted`() throws {
        let asked = try run("admin", "recover", "--group", "birds")
        #expect(asked.code == 2)
        #expect(
            asked.text == """
                group birds: in-sync store a/1 is not there; history first (term 4) would end
                store 77 (number 8) would begin a new history with what it has, through entry 120 of term 4
                lost would be: every acknowledged write after entry 120 that only the in-sync stores had
                store 12 (number 9, through entry 100 of term 4) would put its log aside and take a copy

                """)
        #expect(asked.complaint == "nothing was done: give --accept-data-loss if the in-sync stores will not come back")
        let done = try run("admin", "recover", "--group", "birds", "--store", "12", "--accept-data-loss")
        #expect(done.code == 0)
        #expect(done.text.contains("store 12 (number 8) begins history second as primary of term 5"))
        let object = try run("admin", "recover", "--group", "birds", "--accept-data-loss", "--json")
        #expect(object.text.contains(#""done":true"#) && object.text.contains(#""lostAfter":120"#))
    }

    @Test func `A failure is one line that begins with gRPC's code`() throws {
        let failing = try Store { _ in .failed(ClientError(.invalidArgument, "the key is empty; a key has 1 to 1024 bytes")) }
        let result = try Binary.run(["put", "", "v", "--server", failing.address.description])
        #expect((result.code, result.complaint) == (2, "INVALID_ARGUMENT: the key is empty; a key has 1 to 1024 bytes"))
    }

    @Test func `A read says how fresh its value has to be`() throws {
        let modes = Mutex<[ReadMode]>([])
        let listening = try Store { request in
            if case .key(.get(_, let mode), _) = request { modes.withLock { $0.append(mode) } }
            return nil
        }
        func get(_ arguments: String...) throws -> Binary.Result {
            try Binary.run(["get", "k", "--server", listening.address.description] + arguments)
        }
        _ = try get()
        _ = try get("--consistency", "confirmed")
        _ = try get("--consistency", "stale")
        _ = try get("--consistency", "stale", "--at-least", "birds@old:7")
        let position = GroupPosition(group: "birds", lineage: Lineage("old"), seq: 7)
        #expect(
            modes.withLock { $0 } == [.linearizable, .confirmed, .stale(atLeast: nil), .stale(atLeast: position)])
        #expect(try get("--at-least", "birds@old:7").complaint == "--at-least is for --consistency stale")
        #expect(try get("--consistency", "stale", "--at-least", "birds:7").code != 0)
        #expect(try get("--consistency", "fresh").code != 0)
        #expect(modes.withLock { $0.count } == 4, "what is wrong is not sent")
    }

    @Test func `Servers are tried in turn`() throws {
        let nobody = "127.0.0.1:\(FreePorts.take())"
        let refusing = try Store { _ in .failed(ClientError(.unavailable, "no primary")) }
        #expect(try run("put", "k", "v").code == 0)
        let result = try Binary.run([
            "get", "k", "--server", "\(nobody),\(refusing.address)", "--server", store.address.description,
        ])
        #expect(result.text == "v")
        let environment = ["serverip": store.address.host, "serverport": "\(store.address.port)"]
        #expect(try Binary.run(["get", "k"], environment: environment).text == "v")
    }

    @Test func `A cluster that cannot be reached is an error`() throws {
        let nobody = ["--server", "127.0.0.1:\(FreePorts.take())", "--timeout", "2"]
        for command in [["put", "k", "v"], ["get", "k"], ["delete", "k"], ["status"]] {
            let result = try Binary.run(command + nobody)
            #expect(result.code == 2)
            #expect(result.complaint?.hasPrefix("UNAVAILABLE: ") == true, "\(result.error)")
        }
        let health = try Binary.run(["health"] + nobody)
        #expect(health.code == 1)
        #expect(health.complaint != nil)
    }

    @Test func `Status and health answer`() throws {
        #expect(try run("status").text.hasPrefix("Seen by store:1\n"))
        #expect(try run("status", "--json").text.contains(#""answeredBy" : "store:1""#))
        let health = try Binary.run(["health", "--address", store.address.description])
        #expect((health.code, health.text) == (0, "serving\n"))
    }

    @Test func `The prompt reads lines from a pipe`() throws {
        let lines = """
            put "a key" 'a value'
            get "a key"
            del "a key"
            get "a key"
            put bytes "\\x00\\xff"
            get bytes
            nonsense
            put too few words
            get "not closed
            quit
            get bytes
            """
        let result = try run("client", input: Array(lines.utf8))
        #expect(result.code == 0)
        #expect(result.text == "OK\na value\nOK\nnot found\nOK\n\"\\x00\\xff\"\n")
        #expect(result.error.split(separator: "\n").count == 3)
    }

    @Test func `The version is told`() throws {
        let result = try Binary.run(["--version"])
        #expect(result.code == 0)
        #expect(result.text.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
    }
}
