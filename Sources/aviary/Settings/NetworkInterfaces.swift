import Glibc

/// The addresses of this machine.
enum NetworkInterfaces {
    /// The first address that other machines can reach this one at: of an interface that is up and not loopback, IPv4
    /// before IPv6, no link-local one. Nil where there is none.
    static func firstNonLoopbackAddress() -> String? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var usable: [ifaddrs] = []
        var next = list
        while let interface = next?.pointee {
            let isUp = interface.ifa_flags & UInt32(IFF_UP) != 0
            let isLoopback = interface.ifa_flags & UInt32(IFF_LOOPBACK) != 0
            if isUp, !isLoopback { usable.append(interface) }
            next = interface.ifa_next
        }
        return address(of: AF_INET, among: usable) ?? address(of: AF_INET6, among: usable)
    }

    private static func address(of family: Int32, among interfaces: [ifaddrs]) -> String? {
        for interface in interfaces {
            guard let address = interface.ifa_addr, Int32(address.pointee.sa_family) == family else { continue }
            let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard getnameinfo(address, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
                continue
            }
            let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // An IPv6 link-local address means something on one link only.
            if host.contains("%") || host.hasPrefix("fe80:") || host.hasPrefix("169.254.") { continue }
            return host
        }
        return nil
    }
}
