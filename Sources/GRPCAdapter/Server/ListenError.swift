import Glibc
import Machine

/// A server cannot listen where it should.
public struct ListenError: Error, Hashable, Sendable, CustomStringConvertible {
    public let address: Address
    /// The system's own words.
    public let reason: String

    public var description: String { "cannot listen on \(address): \(reason)" }

    /// Finds the reason out by trying: C-core says only that it did not work.
    init(_ address: Address) {
        self.address = address
        reason = Self.reason(address)
    }

    private static func reason(_ address: Address) -> String {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address.host, String(address.port), &hints, &list)
        guard code == 0 else { return String(cString: gai_strerror(code)) }
        defer { freeaddrinfo(list) }
        var next = list
        while let info = next?.pointee {
            let handle = socket(info.ai_family, info.ai_socktype, info.ai_protocol)
            guard handle >= 0 else { return String(cString: strerror(errno)) }
            defer { close(handle) }
            var on: Int32 = 1
            setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            guard bind(handle, info.ai_addr, info.ai_addrlen) == 0, listen(handle, 1) == 0 else {
                return String(cString: strerror(errno))
            }
            next = info.ai_next
        }
        return "the address was taken for a moment"
    }
}
