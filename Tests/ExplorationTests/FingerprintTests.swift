import Machine
import Simulation
import Testing

private struct Part {
    var serial: UInt64
    var asked: CoordinationID?
    var until: Instant
    var table = LookupTable<String, Int>()
    var phase = Phase.idle

    enum Phase {
        case idle, busy
        case waiting(since: Instant)
    }
}

@Suite("Fingerprints")
struct FingerprintTests {
    private func digest(_ part: Part, now: Int64 = 0) -> UInt64 {
        var digest = Fingerprint()
        digest.now = Instant(nanoseconds: now)
        digest.horizon = Nanoseconds(1_000)
        digest.foldContent(of: part)
        return digest.value
    }

    private func id(_ serial: UInt64) -> CoordinationID { CoordinationID(owner: 1, serial: serial) }

    @Test("Serial numbers and the names of requests make no difference; whether there is one does")
    func requestsAreRenamed() {
        let first = Part(serial: 3, asked: id(3), until: .zero)
        #expect(digest(first) == digest(Part(serial: 9, asked: id(9), until: .zero)))
        #expect(digest(first) != digest(Part(serial: 3, asked: nil, until: .zero)))
    }

    @Test("Instants count from now, and all far ones are alike")
    func instantsAreRelative() {
        func until(_ instant: Int64) -> Part { Part(serial: 0, asked: nil, until: Instant(nanoseconds: instant)) }
        #expect(digest(until(10), now: 5) == digest(until(110), now: 105))
        #expect(digest(until(10), now: 5) != digest(until(11), now: 5))
        #expect(digest(until(5_000)) == digest(until(9_000)))
    }

    @Test("Hashed tables are equal however they came about; their content counts")
    func tablesHaveNoOrder() {
        var forward = Part(serial: 0, asked: nil, until: .zero)
        var backward = forward
        for number in 0..<50 { forward.table["\(number)"] = number }
        for number in (0..<50).reversed() { backward.table["\(number)"] = number }
        #expect(digest(forward) == digest(backward))
        backward.table["7"] = 8
        #expect(digest(forward) != digest(backward))
    }

    @Test("Cases with and without content are told apart")
    func casesDiffer() {
        var prints: [UInt64] = []
        for phase in [Part.Phase.idle, .busy, .waiting(since: .zero), .waiting(since: Instant(nanoseconds: 1))] {
            var part = Part(serial: 0, asked: nil, until: .zero)
            part.phase = phase
            prints.append(digest(part))
        }
        #expect(Set(prints).count == 4)
    }
}
