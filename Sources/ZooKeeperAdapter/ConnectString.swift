import Machine

/// Which ZooKeeper servers make the ensemble, and the node under which everything happens: `host:port,host:port/chroot`.
struct ConnectString: Hashable, Sendable {
    let servers: [Address]
    /// Begins with a slash; empty where there is none.
    let chroot: String
    /// As it was given, for people.
    let text: String

    static let defaultPort: UInt16 = 2181

    /// - Throws: `ConnectStringError`.
    init(_ text: String) throws(ConnectStringError) {
        self.text = text
        let slash = text.firstIndex(of: "/")
        let hosts = slash.map { text[..<$0] } ?? text[...]
        let path = slash.map { String(text[$0...]) } ?? ""

        var servers: [Address] = []
        for part in hosts.split(separator: ",", omittingEmptySubsequences: false) {
            servers.append(try Self.server(part, of: text))
        }
        self.servers = servers

        chroot = path == "/" ? "" : path
        if !chroot.isEmpty, let fault = ServerPath.fault(in: chroot) {
            throw ConnectStringError("the ZooKeeper connect string '\(text)' has the chroot '\(chroot)', which \(fault)")
        }
        // Each level is created by a request of its own where it is missing.
        if chroot.split(separator: "/").count > Self.chrootLevels {
            throw ConnectStringError(
                "the ZooKeeper connect string '\(text)' has a chroot of more than \(Self.chrootLevels) levels")
        }
    }

    static let chrootLevels = 64

    private static func server(_ part: Substring, of text: String) throws(ConnectStringError) -> Address {
        let part = part.drop { $0 == " " }
        let name = String(part.reversed().drop { $0 == " " }.reversed())
        if name.isEmpty {
            throw ConnectStringError(
                text.isEmpty
                    ? "the ZooKeeper connect string is empty; it looks like host:2181,host:2181/path"
                    : "the ZooKeeper connect string '\(text)' has an empty server name; it looks like host:2181,host:2181/path")
        }
        if let address = Address(name) { return address }
        // Like the Java client, and unlike the C one: the port may be left out.
        if !name.contains(":") || name.hasSuffix("]"), let address = Address("\(name):\(defaultPort)") { return address }
        throw ConnectStringError(
            "the ZooKeeper connect string '\(text)' has the server '\(name)', which is not host:port with a port from 1 to 65535"
        )
    }
}

/// What is wrong with a connect string, as one line for the operator.
public struct ConnectStringError: Error, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
