import Glibc
import Machine

/// The schedule as its threads share it. Each thread is woken only when there may be something for it to do.
final class Workplace: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// One for each worker, and the last for the end of them all.
    private let conditions: UnsafeMutablePointer<pthread_cond_t>
    // Guarded by `mutex`.
    private var schedule = Schedule()
    private var running = 0

    init() {
        pthread_mutex_init(mutex, nil)
        conditions = .allocate(capacity: Worker.allCases.count + 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Timeouts must not depend on somebody setting the wall clock.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        for index in 0...Worker.allCases.count { pthread_cond_init(conditions + index, &attributes) }
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        for index in 0...Worker.allCases.count { pthread_cond_destroy(conditions + index) }
        conditions.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Changes the schedule and wakes whom that concerns.
    func withLock<Result>(_ body: (inout Schedule) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let result = body(&schedule)
        for worker in Worker.allCases where schedule.concerns(worker) { pthread_cond_signal(conditions + worker.rawValue) }
        return result
    }

    /// Waits until `job` finds one.
    func wait<Job>(as worker: Worker, for job: (Schedule) -> Job?) -> Job {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let found = job(schedule) { return found }
            pthread_cond_wait(conditions + worker.rawValue, mutex)
        }
    }

    /// Runs `body` on a thread of its own.
    func start(_ worker: Worker, _ body: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        running += 1
        pthread_mutex_unlock(mutex)
        startThread { [self] in
            body()
            pthread_mutex_lock(mutex)
            running -= 1
            pthread_cond_signal(conditions + Worker.allCases.count)
            pthread_mutex_unlock(mutex)
        }
    }

    /// False where a thread is still busy after this time.
    func waitForEnd(atMost timeout: Nanoseconds) -> Bool {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        time.tv_sec += Int(timeout.count / 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while running > 0 {
            if pthread_cond_timedwait(conditions + Worker.allCases.count, mutex, &time) == ETIMEDOUT { return running == 0 }
        }
        return true
    }
}

private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Job {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body))
    let code = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, job.toOpaque())
    precondition(code == 0, "cannot start a thread: \(String(cString: strerror(code)))")
    pthread_detach(thread)
}
