import Glibc
import Machine
import Synchronization

/// A network between two processes that tests can break: it passes bytes on between its own port and another, until it
/// is told to fall silent (connections stay, nothing arrives) or to cut (connections break).
final class Relay: Sendable {
    let address: Address
    private let target: Address
    private let listener: Int32
    private let state = Mutex(State())

    private struct State {
        var sockets: [Int32] = []
        var isSilent = false
        var isOver = false
    }

    init(to target: Address) {
        self.target = target
        let (listener, port) = listenOnLoopback()
        self.listener = listener
        address = Address(host: "127.0.0.1", port: port)
        spawn { [self] in
            while true {
                let accepted = accept(listener, nil, nil)
                guard accepted >= 0 else { return }
                let onward = connectToLoopback(self.target.port)
                state.withLock { $0.sockets += [accepted, onward] }
                spawn { [self] in pass(from: accepted, to: onward) }
                spawn { [self] in pass(from: onward, to: accepted) }
            }
        }
    }

    /// Bytes are swallowed from now on; connections stay, and new ones are taken.
    func fallSilent() { state.withLock { $0.isSilent = true } }

    func speak() { state.withLock { $0.isSilent = false } }

    /// Breaks every connection; new ones are taken.
    func cut() {
        state.withLock { state in
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
            state.sockets = []
        }
    }

    func end() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        cut()
    }

    private func pass(from: Int32, to: Int32) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            if state.withLock({ $0.isSilent }) { continue }
            var sent = 0
            while sent < count {
                let more = buffer.withUnsafeBytes { Glibc.send(to, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL)) }
                guard more > 0 else { break }
                sent += more
            }
        }
        shutdown(from, Int32(SHUT_RDWR))
        shutdown(to, Int32(SHUT_RDWR))
    }
}

/// A socket that listens on a free port of the loopback interface.
func listenOnLoopback() -> (socket: Int32, port: UInt16) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            precondition(bind(listener, $0, length) == 0 && listen(listener, 16) == 0)
            precondition(getsockname(listener, $0, &length) == 0)
        }
    }
    return (listener, UInt16(bigEndian: address.sin_port))
}

func connectToLoopback(_ port: UInt16) -> Int32 {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = port.bigEndian
    _ = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    return socket
}

private func spawn(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Body(body))
    pthread_create(
        &thread, nil,
        {
            Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    pthread_detach(thread)
}

private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
