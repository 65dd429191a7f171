import Glibc
import Machine

/// Turns the names of a connect string into numeric addresses.
///
/// The C library would do that itself, but inside its I/O loop, where a slow or absent name server stops the session, and a
/// failed look-up leaves the loop waiting on a random file descriptor. It only ever gets numbers.
enum Resolver {
    struct Answer: Hashable, Sendable {
        /// Numeric, without duplicates; sorted, so that equal answers are equal.
        var addresses: [Address] = []
        /// Why a name was not resolved, where one was not.
        var failure: String?

        /// As the C library wants them: it finds the port at the last colon and knows no brackets.
        var hosts: String { addresses.map { "\($0.host):\($0.port)" }.joined(separator: ",") }
    }

    /// Asks on a thread of its own, because nothing bounds the time a resolver takes.
    static func resolve(_ servers: [Address], then: @escaping @Sendable (Answer) -> Void) {
        startThread { then(resolve(servers)) }
    }

    static func resolve(_ servers: [Address]) -> Answer {
        var answer = Answer()
        for server in servers {
            switch lookUp(server) {
            case .success(let addresses): answer.addresses += addresses.filter { !answer.addresses.contains($0) }
            case .failure(let failure): answer.failure = "\(server.host): \(failure.reason)"
            }
        }
        answer.addresses.sort()
        return answer
    }

    private struct Failure: Error {
        var reason: String
    }

    private static func lookUp(_ server: Address) -> Result<[Address], Failure> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(server.host, nil, &hints, &list)
        guard code == 0 else { return .failure(Failure(reason: String(cString: gai_strerror(code)))) }
        defer { freeaddrinfo(list) }
        var addresses: [Address] = []
        for entry in sequence(first: list, next: { $0?.pointee.ai_next }) {
            guard let entry else { break }
            var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let code = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
            guard code == 0 else { continue }
            addresses.append(
                Address(host: name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }, port: server.port))
        }
        return addresses.isEmpty ? .failure(Failure(reason: "no address")) : .success(addresses)
    }
}
