import Foundation
import Machine
import Synchronization

/// A TCP port on the loopback interface through which connections go to another, and which can be shut: that breaks every
/// connection at once, and each one that is tried.
final class Gate: Sendable {
    let port: UInt16
    private let listener: Int32
    private let state: Mutex<State>

    private struct State {
        var target: UInt16
        var isClosed = false
        var isOver = false
        /// Both ends of each connection. Whoever takes a pair out closes it.
        var pairs: [Int: (Int32, Int32)] = [:]
        var next = 0
    }

    init(to target: UInt16) {
        state = Mutex(State(target: target))
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let listens = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0 && listen(listener, 16) == 0
            }
        }
        precondition(listens, "no free port: \(String(cString: strerror(errno)))")
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in accept() }
    }

    var currentTarget: UInt16 { state.withLock { $0.target } }
    /// Where later connections go.
    func setTarget(_ port: UInt16) { state.withLock { $0.target = port } }

    func setClosed(_ isClosed: Bool) {
        state.withLock { state in
            state.isClosed = isClosed
            // Their threads see the end, and close them.
            if isClosed { for (one, other) in state.pairs.values { Self.shut(one, other) } }
        }
    }

    /// The last thing that is done with it.
    func end() {
        state.withLock { $0.isOver = true }
        setClosed(true)
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func accept() {
        while true {
            let client = Foundation.accept(listener, nil, nil)
            if client < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                close(listener)
                return
            }
            guard !state.withLock({ $0.isClosed }), let server = connectToTarget() else {
                close(client)
                continue
            }
            let number = state.withLock { state -> Int in
                state.next += 1
                state.pairs[state.next] = (client, server)
                if state.isClosed { Self.shut(client, server) }
                return state.next
            }
            Thread.detachNewThread { [self] in carry(number, client, server) }
        }
    }

    private func carry(_ number: Int, _ client: Int32, _ server: Int32) {
        var one: Int32 = 1
        for end in [client, server] {
            setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var ends = [
            pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
        ]
        carrying: while true {
            if poll(&ends, 2, -1) < 0, errno != EINTR { break }
            for index in 0...1 where ends[index].revents != 0 {
                let count = recv(ends[index].fd, &buffer, buffer.count, 0)
                if count <= 0 { break carrying }
                var sent = 0
                while sent < count {
                    let step = buffer.withUnsafeBytes {
                        send(ends[1 - index].fd, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
                    }
                    if step <= 0 { break carrying }
                    sent += step
                }
            }
        }
        state.withLock { _ = $0.pairs.removeValue(forKey: number) }
        close(client)
        close(server)
    }

    private static func shut(_ one: Int32, _ other: Int32) {
        shutdown(one, Int32(SHUT_RDWR))
        shutdown(other, Int32(SHUT_RDWR))
    }

    private func connectToTarget() -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(currentTarget)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if connected { return descriptor }
        close(descriptor)
        return nil
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}

func threadSleep(_ time: Nanoseconds) { usleep(UInt32(time.count / 1_000)) }
