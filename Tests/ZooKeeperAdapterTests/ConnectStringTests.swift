import Machine
import Testing

@testable import ZooKeeperAdapter

@Suite struct ConnectStringTests {
    @Test func servers() throws {
        let parsed = try ConnectString("zoo1:2181, zoo2 ,[::1]:99,[fe80::2]")
        #expect(parsed.servers.map(\.description) == ["zoo1:2181", "zoo2:2181", "[::1]:99", "[fe80::2]:2181"])
        #expect(parsed.chroot == "")
    }

    @Test(arguments: [("a:1/", ""), ("a:1/x", "/x"), ("a:1,b:2/x/y.z", "/x/y.z")])
    func chroot(_ text: String, _ chroot: String) throws {
        #expect(try ConnectString(text).chroot == chroot)
    }

    @Test(arguments: [
        "", ",", "a:1,", "a:1,,b:2", "a:0", "a:65536", "a:x", "a:", ":2181", "a:1:2", "/chroot", "a:1/x/", "a:1//x",
        "a:1/x/../y",
        "a b:1", "http://a:1", "a:1/nul\0", "::1:2181",
    ])
    func oneClearLineForABadOne(_ text: String) {
        #expect(throws: ConnectStringError.self) { try ZooKeeperCoordinator.validate(connectString: text) }
        do { try ZooKeeperCoordinator.validate(connectString: text) } catch {
            #expect("\(error)".contains("ZooKeeper connect string") && !"\(error)".contains("\n"))
        }
    }

    @Test func namesAreResolvedToNumbers() {
        let answer = Resolver.resolve([Address(host: "127.0.0.1", port: 7), Address(host: "::1", port: 8)])
        #expect(answer.failure == nil)
        #expect(answer.hosts == "127.0.0.1:7,::1:8")
        #expect(
            Resolver.resolve([Address(host: "no-such-host.invalid", port: 7)]).failure?.hasPrefix("no-such-host.invalid: ")
                == true)
    }
}
