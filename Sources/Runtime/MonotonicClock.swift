import Glibc
import Machine

/// The clock of a node: monotonic, and counting while the machine is suspended, so that a lease never outlives a nap.
enum MonotonicClock {
    /// Nanoseconds since boot, suspension included (`CLOCK_BOOTTIME`).
    static func now() -> Instant {
        Instant(nanoseconds: read(CLOCK_BOOTTIME))
    }

    static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "clock_gettime fails only on a clock that the kernel does not have")
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
