import Logging
import Machine
import Synchronization
import Testing
import Wire

@testable import aviary

@Suite struct LogTests {
    final class Sink: Sendable {
        private let text = Mutex("")
        func write(_ line: String) { text.withLock { $0 += line } }
        var lines: String { text.withLock { $0 } }
    }

    func logger(_ format: LogFormat, _ sink: Sink) -> Logger {
        Logger(label: "data zdata1 127.0.0.1:1930") {
            LineLogHandler(label: $0, format: format, level: .info) { sink.write($0) }
        }
    }

    @Test func `A line has time, level, node, message and its fields in order`() {
        let sink = Sink()
        logger(.text, sink).warning("link lost", metadata: ["peer": "127.0.0.1:2", "attempt": "3", "why": "no route\nto host"])
        let line = sink.lines
        #expect(
            line.hasSuffix(
                " WARNING  [data zdata1 127.0.0.1:1930] link lost attempt=3 peer=127.0.0.1:2 why=\"no route\\nto host\"\n"))
        #expect(line.prefix(24).wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        logger(.text, sink).debug("not shown")
        #expect(sink.lines == line)
    }

    @Test func `No message can forge a line`() {
        let sink = Sink()
        logger(.text, sink).info("peer said: x\n2026-01-01T00:00:00.000Z INFO [master] fine")
        #expect(sink.lines.filter { $0 == "\n" }.count == 1)
    }

    @Test func `JSON lines are JSON whatever is in them`() throws {
        let sink = Sink()
        logger(.json, sink).error("a \"b\" \\ \u{1}\u{2028} ü", metadata: ["key": "\t"])
        #expect(
            sink.lines.contains(
                #""level":"error","node":"data zdata1 127.0.0.1:1930","message":"a \"b\" \\ \u0001\u2028 ü","key":"\t"}"#))
    }

    @Test func `Times are UTC with milliseconds`() {
        #expect(LineLogHandler.timestamp(.init(tv_sec: 951_782_400, tv_nsec: 7_999_999)) == "2000-02-29T00:00:00.007Z")
    }
}

@Suite struct ResultTests {
    @Test func `Bytes that are not UTF-8 are base64 in JSON`() throws {
        #expect(
            try JSONLine.encode(KeyResult(key: Array("k/1".utf8), found: true, value: []))
                == #"{"found":true,"key":"k/1","value":""}"# + "\n")
        #expect(
            try JSONLine.encode(KeyResult(key: [0xFF], found: true, value: [0, 0x80]))
                == #"{"found":true,"keyBase64":"/w==","valueBase64":"AIA="}"# + "\n")
        #expect(try JSONLine.encode(KeyResult(key: [65], found: false)) == #"{"found":false,"key":"A"}"# + "\n")
    }

    @Test func `An error is one line that begins with gRPC's name of its code, and says what is open`() {
        let refused = ClientError(.unavailable, "group zdata2 has no primary; nothing was done")
        #expect(describe(refused, isRead: false) == "UNAVAILABLE: group zdata2 has no primary; nothing was done")
        let late = ClientError(.deadlineExceeded, "Deadline Exceeded")
        #expect(describe(late, isRead: false) == "DEADLINE_EXCEEDED: no answer in time; it may have happened")
        #expect(describe(late, isRead: true) == "DEADLINE_EXCEEDED: no answer in time")
        let cut = ClientError(.aborted, "the link broke; it may have happened")
        #expect(describe(cut, isRead: false) == "ABORTED: the link broke; it may have happened")
    }
}

@Suite struct StatusTests {
    let status: ClusterStatus = {
        func address(_ port: UInt16) -> Address { Address(host: "127.0.0.1", port: port) }
        func replica(_ number: UInt64, _ role: ReplicaStatus.Role, seq: UInt64, leased: Bool = false) -> ReplicaStatus {
            ReplicaStatus(
                group: "zdata1", member: MemberID(store: StoreID("s\(number)"), number: number), role: role, term: 3,
                last: Position(term: 3, seq: seq), commit: 40, keys: 12, leased: leased, coordinated: true)
        }
        let members = [
            MemberStatus(
                member: MemberID(store: StoreID("s1"), number: 1), address: address(1931), isPrimary: true, inSync: true,
                replica: replica(1, .primary, seq: 42, leased: true)),
            MemberStatus(
                member: MemberID(store: StoreID("s2"), number: 2), address: address(1932), isPrimary: false, inSync: true,
                replica: replica(2, .standby, seq: 40)),
            MemberStatus(
                member: MemberID(store: StoreID("s3"), number: 3), address: nil, isPrimary: false, inSync: false, replica: nil),
        ]
        let master = ServerStatus(number: 2, address: address(1927), epoch: 5)
        return ClusterStatus(
            answeredBy: address(1926), coordinated: true, master: master,
            servers: [ServerStatus(number: 1, address: address(1926)), ServerStatus(number: 2, address: address(1927))],
            groups: [
                GroupStatus(
                    name: "zdata1", state: .serving, problem: "", lineage: "l", term: 3, primary: 1, members: members,
                    shareMillionths: 666_666),
                GroupStatus(
                    name: "zdata2", state: .noPrimary, problem: "no in-sync store is alive", lineage: "m", term: 9,
                    primary: nil, members: [],
                    shareMillionths: 333_334),
            ],
            ring: RingStatus(version: 2, sealed: true, tokens: [RingToken(token: 255, group: "zdata1")]))
    }()

    @Test func `The table shows master, servers, groups with their stores, ring and problems`() {
        #expect(
            StatusTable(status).text == """
                Seen by 127.0.0.1:1926
                Master  server 2 at 127.0.0.1:1927, epoch 5

                SERVER  ADDRESS         ROLE
                1       127.0.0.1:1926
                2       127.0.0.1:1927  master

                GROUP   SHARE   STATE       TERM  NODE  ADDRESS         ROLE     IN SYNC  POSITION  COMMIT  LAG  KEYS
                zdata1  66.7 %  serving     3     1     127.0.0.1:1931  primary  yes      3:42      40           12
                                                  2     127.0.0.1:1932  standby  yes      3:40      40      2    12
                                                  3     gone                     no       ?         ?       ?    ?
                zdata2  33.3 %  no primary  9

                Ring: version 2, sealed (groups that come now wait as pending)
                TOKEN     GROUP
                000000ff  zdata1

                PROBLEM zdata2: no in-sync store is alive

                """)
    }

    @Test func `JSON has the same, with shares as fractions`() throws {
        let json = try JSONLine.encode(StatusDocument(status))
        #expect(json.contains(#""master":{"address":"127.0.0.1:1927","epoch":5,"number":2}"#))
        #expect(json.contains(#""state":"noPrimary""#))
        #expect(json.contains(#""lag":2"#))
        #expect(json.contains(#""share":0.666666"#))
        #expect(json.contains(#""tokens":[{"group":"zdata1","token":255}]"#))
    }
}
