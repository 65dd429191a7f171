import Machine
import Simulation
import Testing

@testable import ClusterSimulation

/// The oracles against hand-made histories, right ones and wrong ones.
@Suite struct OracleTests {
    func history(_ writes: [(isDelete: Bool, outcome: KeyHistory.Outcome)]) -> KeyHistory {
        var history = KeyHistory(name: "k")
        for write in writes {
            let number = history.began(isDelete: write.isDelete)
            switch write.outcome {
            case .pending: break
            case .acknowledged: #expect(history.acknowledged(number, existed: nil) == nil)
            case .unknown: history.unknown(number)
            case .refused: #expect(history.refused(number, "no") == nil)
            }
        }
        return history
    }

    @Test func anAcknowledgedWriteIsRead() {
        var keys = history([(false, .acknowledged), (false, .acknowledged)])
        #expect(keys.read(.version(2), since: 2, by: "r") == nil)
        #expect(keys.read(.version(1), since: 2, by: "r")?.invariant == "acknowledged writes survive")
        #expect(keys.read(.missing, since: 2, by: "r")?.invariant == "acknowledged writes survive")
        // A read that began before may see the state of then.
        #expect(keys.read(.version(1), since: 1, by: "r") == nil)
    }

    @Test func anUnknownWriteMayBeThereOrNotButDoesNotGoAwayAgain() {
        var keys = history([(false, .acknowledged), (false, .unknown)])
        #expect(!keys.isOpen)
        #expect(keys.read(.version(1), since: keys.floor, by: "r") == nil)
        #expect(keys.read(.version(2), since: keys.floor, by: "r") == nil)
        #expect(keys.read(.version(1), since: keys.floor, by: "r")?.invariant == "acknowledged writes survive")
    }

    @Test func aRefusedWriteIsNeverSeen() {
        var keys = history([(false, .acknowledged), (false, .refused), (false, .pending)])
        #expect(keys.read(.version(2), since: 1, by: "r")?.invariant == "what is reported as not done was not done")
        #expect(keys.read(.version(3), since: 1, by: "r") == nil)
        #expect(keys.refused(3, "no")?.invariant == "what is reported as not done was not done")
    }

    @Test func aMissingKeyIsExplainedByADeleteOrByNoWrite() {
        var fresh = KeyHistory(name: "k")
        #expect(fresh.read(.missing, since: 0, by: "r") == nil)
        var deleting = history([(false, .acknowledged), (true, .pending)])
        #expect(deleting.read(.version(1), since: 1, by: "r") == nil)
        #expect(deleting.read(.missing, since: 1, by: "r") == nil)
        #expect(deleting.floor == 2)
        #expect(deleting.read(.version(1), since: 2, by: "r")?.invariant == "acknowledged writes survive")
        var refused = history([(false, .acknowledged), (true, .refused)])
        #expect(refused.read(.missing, since: 1, by: "r")?.invariant == "acknowledged writes survive")
    }

    @Test func aDeleteTellsWhetherTheKeyWasThere() {
        var keys = history([(false, .acknowledged)])
        let first = keys.began(isDelete: true)
        #expect(keys.acknowledged(first, existed: true) == nil)
        let second = keys.began(isDelete: true)
        #expect(keys.acknowledged(second, existed: true)?.invariant == "a delete tells whether the key was there")
    }

    @Test func valuesNameTheirKeyAndVersion() {
        let value = ReadState.value(key: "c1k2", version: 17, padding: 5)
        #expect(ReadState(value, key: "c1k2") == .version(17))
        #expect(ReadState(nil, key: "c1k2") == .missing)
        for wrong in ["c1k3=17 .....", "c1k2=17", "c1k2= .", "c1k2=1x .", "c1k2=17 ...x", ""] {
            guard case .foreign = ReadState(bytes(wrong), key: "c1k2") else {
                Issue.record("\(wrong) is nobody's value")
                continue
            }
        }
    }

    @Test func twoServingPrimariesAndOlderTermsAreSeen() {
        var oracle = ServingOracle(groups: 1)
        let first = ServingOracle.Reign(process: 1, life: 1, term: 3)
        #expect(oracle.serves(first, group: 0, rival: nil) == (true, nil))
        #expect(oracle.serves(first, group: 0, rival: nil) == (false, nil))
        #expect(oracle.serves(first, group: 0, rival: 2).1?.invariant == "one primary serves per group and moment")
        let next = ServingOracle.Reign(process: 2, life: 1, term: 4)
        #expect(oracle.serves(next, group: 0, rival: nil) == (true, nil))
        #expect(oracle.serves(first, group: 0, rival: nil).1?.invariant == "terms of serving primaries grow")
    }

    @Test func whereClocksAreWildOnlyNewTermsAreLookedAt() {
        var oracle = ServingOracle(groups: 1, trustsClocks: false)
        let first = ServingOracle.Reign(process: 1, life: 1, term: 3)
        let next = ServingOracle.Reign(process: 2, life: 1, term: 4)
        #expect(oracle.serves(first, group: 0, rival: nil) == (true, nil))
        #expect(oracle.serves(next, group: 0, rival: 1) == (true, nil))
        #expect(oracle.serves(first, group: 0, rival: 2) == (false, nil))
    }

    private static let header = "%aviary 2 01234567-89ab-4cde-8f01-23456789abcd"

    /// Records with their checksums, each going on from the one before.
    private func sealed(_ records: String...) -> [[UInt8]] {
        var chain: UInt32 = 0
        return records.map { record in
            let body = bytes(record + " ")
            chain = body.withUnsafeBytes { CRC32.castagnoli.extend(chain, with: $0) }
            let digits = String(chain, radix: 16)
            return body + bytes(String(repeating: "0", count: 8 - digits.count) + digits + "\n")
        }
    }

    @Test func aLogVouchesForWhatALaterRecordSaysToBeSynced() {
        func vouched(_ records: [[UInt8]]) -> Int { LogImage.vouched(Array(records.joined())) }
        let (first, second) = ("%term 1 1 0 0", "azE=\ndjE=\n# 1 2 0 0")
        func log(_ third: String) -> [[UInt8]] { sealed(OracleTests.header, first, second, third) }
        let throughFirst = log("").prefix(2).joined().count
        #expect(vouched(sealed(OracleTests.header, first, second)) == 0)
        #expect(vouched(log("azE=\ndjE=\n# 1 3 1 1")) == throughFirst)
        // The record before is what the checksum of the one that vouches goes on from: it must not be hit.
        #expect(vouched(log("azE=\ndjE=\n# 1 3 2 2")) == throughFirst)
        #expect(vouched(log("%term 2 3 2 2")) == throughFirst)
        #expect(vouched(log("%closed 2 2")) == throughFirst)
        // A control line claims nothing, and neither do a note, half a line, and nothing.
        #expect(vouched(log("%adopt 7")) == 0)
        #expect(vouched(log("%x-note 1 3 2 2")) == 0)
        #expect(LogImage.vouched(Array(log("azE=\ndjE=\n# 1 3 2 2").joined().dropLast())) == 0)
        #expect(vouched([]) == 0)
        #expect(vouched([bytes("#\n%\n\n# 1 1 1 1 1\n")]) == 0)
    }

    /// A power cut may leave the last of several unsynced records and not those before it, or blocks of them.
    @Test func aTornTailVouchesForNothing() {
        let log = sealed(
            OracleTests.header, "%term 1 1 0 0", "azE=\ndjE=\n# 1 2 1 1", "azE=\ndjI=\n# 1 3 2 2", "azE=\ndjM=\n# 1 4 3 3",
            "%closed 4 4")
        let starts = log.indices.map { log[..<$0].joined().count }
        let whole = Array(log.joined())
        #expect(LogImage.vouched(whole) == starts[4])
        for (index, byte) in whole.enumerated() {
            var torn = whole
            torn[index] = 0
            // A record vouches if it is whole, and so is the checksum that it goes on from.
            let vouching = [5, 4, 3].first { number in
                !(starts[number]..<starts[number] + log[number].count).contains(index)
                    && !(starts[number] - 9..<starts[number]).contains(index)
            }
            let limit = LogImage.vouched(torn)
            #expect(limit <= starts[(vouching ?? 1) - 1], "byte \(index) of \(whole.count), \(byte)")
            // What is wrong further up takes nothing from those who vouch, but the end of what is wrong.
            if index < starts[2] { #expect(limit == starts[4], "byte \(index)") }
        }
    }

    @Test func logImagesAreReadRecordByRecord() {
        let text = """
            %aviary 2 6cb8a586-d43e-4ce3-b0cd-a65c17fe93b5 00000000
            %lineage x 00000000
            %term 1 1 0 0 00000000
            azE=
            djE=
            # 1 2 1 1 00000000
            azE=
            -
            # 1 3 2 2 00000000
            %closed 3 3 00000000

            """
        let image = LogImage(bytes(text))
        #expect(image.records.map(\.seq) == [1, 2, 3])
        #expect(image.records.map(\.term) == [1, 1, 1])
        #expect(LogImage(bytes(text + "azI=\ndjI")).records.count == 3)
        #expect(LogImage(bytes(text + "azI=\ndjI=\n# 2 4 3 3 00000000\n")).records.count == 4)
        #expect(image.isPrefix(of: LogImage(bytes(text + "azI=\ndjI=\n# 2 4 3 3 00000000\n"))))
        #expect(!image.isPrefix(of: LogImage(bytes(text.replacing("djE=", with: "djI=")))))
    }
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
