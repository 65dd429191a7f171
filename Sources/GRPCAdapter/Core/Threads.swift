import CGRPCShims
import Glibc

/// A thread of the operating system, for loops that block in C code.
final class OSThread: Sendable {
    private let handle: pthread_t

    /// Starts a thread that runs `body`. Tools show the first 15 bytes of its name.
    init(name: String, body: @escaping @Sendable () -> Void) {
        var handle = pthread_t()
        let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
        let code = pthread_create(
            &handle, nil,
            { argument in
                let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
                aviary_thread_set_name(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "cannot start a thread: \(String(cString: strerror(code)))")
        self.handle = handle
    }

    /// Starts a thread that nobody waits for.
    static func detach(name: String, body: @escaping @Sendable () -> Void) {
        pthread_detach(OSThread(name: name, body: body).handle)
    }

    /// Waits for the thread's end. To be called once, and from another thread.
    func join() {
        let code = pthread_join(handle, nil)
        precondition(code == 0, "cannot join a thread: \(String(cString: strerror(code)))")
    }
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// Something that happens once, and that threads can wait for.
final class Latch: Sendable {
    private nonisolated(unsafe) let state: UnsafeMutablePointer<State>

    private struct State {
        var mutex = pthread_mutex_t()
        var condition = pthread_cond_t()
        var isOpen = false
    }

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        pthread_mutex_init(&state.pointee.mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&state.pointee.condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(&state.pointee.condition)
        pthread_mutex_destroy(&state.pointee.mutex)
        state.deallocate()
    }

    func open() {
        pthread_mutex_lock(&state.pointee.mutex)
        state.pointee.isOpen = true
        pthread_cond_broadcast(&state.pointee.condition)
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    func wait() {
        pthread_mutex_lock(&state.pointee.mutex)
        while !state.pointee.isOpen { pthread_cond_wait(&state.pointee.condition, &state.pointee.mutex) }
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    /// Waits for at most `nanoseconds`; false where that was not enough.
    func wait(atMost nanoseconds: Int64) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let nanosecond = Int64(end.tv_nsec) + nanoseconds % 1_000_000_000
        end.tv_sec += Int(nanoseconds / 1_000_000_000 + nanosecond / 1_000_000_000)
        end.tv_nsec = Int(nanosecond % 1_000_000_000)
        pthread_mutex_lock(&state.pointee.mutex)
        defer { pthread_mutex_unlock(&state.pointee.mutex) }
        while !state.pointee.isOpen {
            if pthread_cond_timedwait(&state.pointee.condition, &state.pointee.mutex, &end) == ETIMEDOUT { break }
        }
        return state.pointee.isOpen
    }
}
