import Foundation
import Synchronization

/// TCP ports on the loopback interface that nobody listens on.
public enum FreePorts {
    private static let handedOut = Mutex<Set<UInt16>>([])

    /// `count` different ports, none of which this process was given before. Another process may take one before its
    /// user binds it, but the kernel hands out recently freed ports last.
    public static func take(_ count: Int) -> [UInt16] {
        // All sockets stay open until the end, so that the kernel cannot name one port twice.
        var sockets: [Int32] = []
        defer { sockets.forEach { close($0) } }
        var ports: [UInt16] = []
        while ports.count < count {
            let (socket, port) = bindAny()
            sockets.append(socket)
            if handedOut.withLock({ $0.insert(port).inserted }) { ports.append(port) }
        }
        return ports
    }

    public static func take() -> UInt16 { take(1)[0] }

    private static func bindAny() -> (socket: Int32, port: UInt16) {
        // Not to be inherited: a child that is being started elsewhere would keep the port.
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        precondition(descriptor >= 0, "socket: \(String(cString: strerror(errno)))")
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        precondition(bound, "no free port: \(String(cString: strerror(errno)))")
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}

func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}
