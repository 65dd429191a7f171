import Machine
import Testing

@Suite("Addresses")
struct AddressTests {
    @Test(
        "host:port and [ipv6]:port",
        arguments: [
            ("localhost:1926", "localhost", 1926), ("10.0.0.1:1", "10.0.0.1", 1),
            ("a.b-c_d.example:65535", "a.b-c_d.example", 65535),
            ("[::1]:2181", "::1", 2181), ("[fe80::1%eth0]:80", "fe80::1%eth0", 80), ("[name]:80", "name", 80),
            ("h:00080", "h", 80),
        ])
    func right(_ text: String, _ host: String, _ port: UInt16) {
        let address = Address(text)
        #expect(address?.host == host)
        #expect(address?.port == port)
    }

    @Test(
        "What is none",
        arguments: [
            "", ":", "host", "host:", ":80", "host:0", "host:65536", "host:99999", "host:100000", "host:-1", "host:+1",
            "host: 80",
            "host:8o", "ho st:80", "host/path:80", "::1:80", "[]:80", "[::1]", "[::1:80", "host:80 ", "hôst:80", "h\n:80",
            "host:٣",
            String(repeating: "a", count: 300) + ":80",
        ])
    func wrong(_ text: String) {
        #expect(Address(text) == nil)
    }

    @Test("What is written can be read", arguments: ["localhost:1926", "[::1]:2181", "10.0.0.1:80"])
    func roundTrip(_ text: String) {
        #expect(Address(text)?.description == text)
    }

    @Test("Order is by host, then by port as a number")
    func order() {
        let sorted = ["b:1", "a:100", "a:20"].compactMap { Address($0) }.sorted()
        #expect(sorted.map(\.description) == ["a:20", "a:100", "b:1"])
    }
}
