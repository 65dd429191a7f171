import Foundation

/// Which seeds are running, told when a machine that finds its own state broken ends the process: then nobody else could.
enum SeedsInFlight {
    private static let slots = 64
    /// Read by the signal handler, which can neither lock nor allocate. 0: free.
    nonisolated(unsafe) private static let seeds: UnsafeMutablePointer<UInt64> = {
        let seeds = UnsafeMutablePointer<UInt64>.allocate(capacity: slots)
        seeds.initialize(repeating: 0, count: slots)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = SeedsInFlight.tell
            // Once: then the signal takes its usual course.
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(number, &action, nil)
        }
        return seeds
    }()
    private static let lock = NSLock()

    static func began(_ seed: UInt64) {
        lock.withLock {
            if let free = (0..<slots).first(where: { seeds[$0] == 0 }) { seeds[free] = seed }
        }
    }

    static func ended(_ seed: UInt64) {
        lock.withLock {
            if let slot = (0..<slots).first(where: { seeds[$0] == seed }) { seeds[slot] = 0 }
        }
    }

    private static let tell: @convention(c) (Int32) -> Void = { _ in
        for slot in 0..<slots where seeds[slot] != 0 {
            write("\na machine stopped; one of: SIM_SEED=")
            write(number: seeds[slot])
            write(" swift test --filter SimTests\n")
        }
    }

    private static func write(_ text: StaticString) { _ = Foundation.write(2, text.utf8Start, text.utf8CodeUnitCount) }

    private static func write(number: UInt64) {
        // The digits, least first, packed into a value on the stack.
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            var digit = UInt8(48 + number / divisor % 10)
            _ = Foundation.write(2, &digit, 1)
            divisor /= 10
        }
    }
}
