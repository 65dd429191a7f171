import Machine
import Testing
import Wire

@Suite("The contract's vocabulary")
struct ContractTests {
    @Test("Lengths of time and points in time")
    func time() {
        let second = Nanoseconds.seconds(1)
        #expect(second == .milliseconds(1_000) && second == .microseconds(1_000_000) && second.count == 1_000_000_000)
        #expect(second.milliseconds == 1_000 && Nanoseconds(-1_999_999).milliseconds == -1)
        #expect(second * 3 / 2 - .milliseconds(500) == second + .zero)
        let now = Instant(nanoseconds: 5)
        #expect(now + second > now && now - second < now && (now + second) - now == second)
    }

    @Test("Effects leave the sink in the order they came, once")
    func sink() {
        var sink = Sink()
        sink.append(.cancelTimer(TimerID(purpose: 1)))
        sink.log(.info, "something happened", [LogField("count", 3)])
        #expect(
            sink.drain() == [
                .cancelTimer(TimerID(purpose: 1)),
                .log(LogLine(level: .info, event: "something happened", fields: [LogField("count", "3")])),
            ])
        #expect(sink.drain().isEmpty)
    }

    @Test("Levels are ordered as swift-log orders them")
    func levels() {
        #expect(
            [LogLevel.trace, .debug, .info, .notice, .warning, .error, .critical].sorted() == [
                .trace, .debug, .info, .notice, .warning, .error, .critical,
            ])
    }

    @Test("ZooKeeper's codes, and which of them leave the outcome open")
    func coordinationErrors() {
        let definite: [Int32] = [-2, -5, -6, -8, -101, -102, -103, -108, -110, -111, -115]
        let unknown: [Int32] = [-1, -4, -7, -9, -112, -116, -118, -999]
        for code in definite { #expect(!CoordinationError(code: code).isOutcomeUnknown, "\(code)") }
        for code in unknown { #expect(CoordinationError(code: code).isOutcomeUnknown, "\(code)") }
        #expect(CoordinationError(code: -999) == .other(-999))
    }

    @Test("Positions are ordered by term, then by sequence number")
    func positions() {
        #expect(Position(term: 1, seq: 9) < Position(term: 2, seq: 1))
        #expect(Position(term: 2, seq: 1) < Position(term: 2, seq: 2))
        #expect(Position.zero < Position(term: 0, seq: 1))
    }
}

@Suite("Limits")
struct LimitsTests {
    private let limits = Limits(keyBytes: 4, valueBytes: 6)

    @Test("What is within the limits passes, to the byte")
    func within() {
        #expect(limits.violation(of: .put(key: [1, 2, 3, 4], value: [1, 2, 3, 4, 5, 6])) == nil)
        #expect(limits.violation(of: .put(key: [1], value: [])) == nil)
        #expect(limits.violation(of: .get(key: [1, 2, 3, 4])) == nil)
        #expect(limits.violation(of: .delete(key: [0])) == nil)
    }

    @Test("What is beyond is refused with the limit in the message, and certainly did not happen")
    func beyond() {
        let key = limits.violation(of: .get(key: [1, 2, 3, 4, 5]))
        #expect(key?.code == .invalidArgument && key?.message == "the key has 5 bytes; the limit is 4")
        let value = limits.violation(of: .put(key: [1], value: Array(repeating: 0, count: 7)))
        #expect(value?.message == "the value has 7 bytes; the limit is 6")
        for request in [KeyRequest.get(key: []), .put(key: [], value: []), .delete(key: [])] {
            #expect(limits.violation(of: request)?.message == "the key is empty; a key has 1 to 4 bytes")
        }
        #expect(key?.mayHaveHappened == false)
    }

    @Test("By default, a key has 1 KiB and a value 1 MiB")
    func defaults() {
        #expect(Limits().keyBytes == 1 << 10 && Limits().valueBytes == 1 << 20)
    }

    @Test("Every failure says whether it may have happened")
    func outcomes() {
        let open = ClientError.Code.allCases.filter { ClientError($0, "").mayHaveHappened }
        #expect(open == [.deadlineExceeded, .aborted])
    }
}
