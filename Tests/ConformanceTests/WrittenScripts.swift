import Machine

/// Scripts for what chance seldom finds, one for each rule of ZooKeeper that Aviary, or anybody, leans on.
extension ZooKeeperScript {
    static let written: [ZooKeeperScript] =
        [
            nodes, versions, children, sequences, recreatedParents, ephemerals, multis, failingMultis, absence, watches,
            watchesOfOthers, watchesOfMultis, sessionEnds, limits, paths, roots,
        ] + reconnections + expiries

    private static func create(_ path: String, _ data: [UInt8] = [], _ mode: CreateMode = .persistent) -> CoordinationOperation
    {
        .create(path: path, data: data, mode: mode)
    }
    private static func set(_ path: String, _ data: [UInt8] = [1], _ version: Int32 = -1) -> CoordinationOperation {
        .set(path: path, data: data, version: version)
    }
    private static func delete(_ path: String, _ version: Int32 = -1) -> CoordinationOperation {
        .delete(path: path, version: version)
    }
    private static func get(_ path: String, watch: Bool = false) -> CoordinationOperation { .get(path: path, watch: watch) }
    private static func exists(_ path: String, watch: Bool = false) -> CoordinationOperation {
        .exists(path: path, watch: watch)
    }
    private static func list(_ path: String, watch: Bool = false) -> CoordinationOperation {
        .children(path: path, watch: watch)
    }

    static let nodes = ZooKeeperScript(
        name: "nodes",
        steps: [
            .open(1), .open(2),
            .ask(
                1,
                [
                    create("/a", [1, 2, 3]), create("/a"), create("/no/parent"), get("/a"), exists("/a"), list("/a"),
                    get("/missing"),
                    exists("/missing"), list("/missing"), set("/missing"), delete("/missing"), set("/a", []), get("/a"),
                ]),
            .ask(2, [get("/a"), .sync(path: "/missing"), .sync(path: "/a"), delete("/a"), get("/a")]),
            .ask(1, [exists("/a"), create("/a"), get("/a")]),
        ])

    static let versions = ZooKeeperScript(
        name: "versions",
        steps: [
            .open(1),
            .ask(
                1,
                [
                    create("/v"), set("/v", [1], 1), set("/v", [1], 0), set("/v", [2], 0), set("/v", [2], -1),
                    set("/v", [3], 2),
                    set("/v", [3], -2), delete("/v", 2), delete("/v", -2), delete("/v", 3), exists("/v"), create("/v"),
                    get("/v"),
                    delete("/v", 0),
                ]),
        ])

    static let children = ZooKeeperScript(
        name: "children",
        steps: [
            .open(1),
            .ask(
                1,
                [
                    create("/p"), create("/p/a"), create("/p/b"), list("/p"), delete("/p"), delete("/p/a"), list("/p"),
                    exists("/p"),
                    set("/p/b"), exists("/p"), create("/p/a"), exists("/p"), delete("/p/a"), delete("/p/b"), exists("/p"),
                    delete("/p"),
                ]),
        ])

    static let sequences = ZooKeeperScript(
        name: "sequences",
        steps: [
            .open(1), .open(2),
            .ask(1, [create("/q"), create("/q/n-", [], .persistentSequential), create("/q/other"), delete("/q/other")]),
            .ask(2, [create("/q/n-", [], .ephemeralSequential), create("/q/", [], .persistentSequential)]),
            .ask(1, [list("/q"), create("/q/n-0000000005"), create("/q/x-", [], .persistentSequential), exists("/q")]),
            // The next suffix is taken already.
            .ask(
                1,
                [create("/q/n-0000000007"), create("/q/n-0000000008"), create("/q/n-", [], .persistentSequential), list("/q")]),
            .ask(1, [create("/none/n-", [], .persistentSequential), create("/q/n-0000000001/n-", [], .persistentSequential)]),
        ])

    static let recreatedParents = ZooKeeperScript(
        name: "recreated parents",
        steps: [
            .open(1),
            .ask(
                1,
                [
                    create("/l"), create("/l/n-", [], .persistentSequential), create("/l/n-", [], .persistentSequential),
                    exists("/l"),
                ]),
            .ask(
                1,
                [delete("/l/n-0000000000"), delete("/l/n-0000000001"), exists("/l"), delete("/l"), create("/l"), exists("/l")]),
            .ask(1, [create("/l/n-", [], .persistentSequential), exists("/l")]),
        ])

    static let ephemerals = ZooKeeperScript(
        name: "ephemerals",
        steps: [
            .open(1), .open(2),
            .ask(
                1, [create("/e", [7], .ephemeral), get("/e"), create("/e/child"), create("/e/n-", [], .persistentSequential)]),
            .ask(
                2,
                [
                    get("/e"), create("/e/child", [], .ephemeral), create("/e"), set("/e", [8]),
                    create("/f", [], .ephemeralSequential),
                ]),
            .ask(2, [delete("/e"), create("/e", [], .ephemeral), exists("/e")]),
            .ask(1, [exists("/e"), delete("/e"), exists("")]),
        ])

    static let multis = ZooKeeperScript(
        name: "multis",
        steps: [
            .open(1), .open(2),
            .ask(1, [create("/m"), create("/n")]),
            .ask(
                1,
                [
                    .multi([
                        .check(path: "/m", version: 0), .set(path: "/m", data: [1], version: 0),
                        .set(path: "/m", data: [1, 2], version: 1),
                        .create(path: "/m/s-", data: [], mode: .ephemeralSequential),
                        .create(path: "/m/a", data: [], mode: .persistent),
                        .create(path: "/m/a/b", data: [9], mode: .persistent), .check(path: "/m/a/b", version: 0),
                        .delete(path: "/m/a/b", version: 0), .delete(path: "/n", version: -1),
                    ]), get("/m"), get("/m/a"), list("/m"),
                ]),
            .ask(2, [.multi([]), .multi([.check(path: "/m", version: -1)]), .multi([.check(path: "/m", version: 2)])]),
            // Deleted and created again within one.
            .ask(
                2,
                [
                    .multi([.delete(path: "/m/a", version: 0), .create(path: "/m/a", data: [5], mode: .ephemeral)]),
                    get("/m/a"), get("/m"),
                ]),
            .ask(
                1, [.multi([.create(path: "/m/a/c", data: [], mode: .persistent)]), .multi([.delete(path: "/m", version: -1)])]),
        ])

    static let failingMultis: ZooKeeperScript = {
        let good: [MultiOperation] = [
            .create(path: "/x", data: [], mode: .persistent), .set(path: "/m", data: [2], version: 0),
            .check(path: "/m", version: 1),
            .delete(path: "/d", version: 0),
        ]
        let bad: [MultiOperation] = [
            .check(path: "/m", version: 5), .check(path: "/missing", version: -1),
            .create(path: "/m", data: [], mode: .persistent),
            .create(path: "/missing/x", data: [], mode: .persistent), .delete(path: "/missing", version: 0),
            .delete(path: "/p", version: 0), .delete(path: "/p", version: 3), .set(path: "/m", data: [], version: 7),
            .set(path: "/missing", data: [], version: -1), .create(path: "/e/x", data: [], mode: .ephemeral),
        ]
        var steps: [Step] = [
            .open(1),
            .ask(1, [create("/m"), create("/d"), create("/p"), create("/p/c"), create("/e", [], .ephemeral)]),
        ]
        for failing in bad {
            for place in 0...good.count {
                steps.append(.ask(1, [.multi(Array(good[..<place]) + [failing] + Array(good[place...]))]))
            }
        }
        // Two that fail: the first one counts.
        steps.append(.ask(1, [.multi([good[0], bad[0], good[1], bad[2]]), exists("/x"), get("/m"), exists("/d"), exists("")]))
        steps.append(.ask(1, [.multi(good), exists("/x"), get("/m"), exists("/d"), exists("")]))
        return ZooKeeperScript(name: "failing multis", steps: steps)
    }()

    static let absence = ZooKeeperScript(
        name: "a proof of absence",
        steps: [
            .open(1), .open(2),
            .ask(2, [exists("/a", watch: true), list("", watch: true)]),
            .ask(
                1, [.multi([.create(path: "/a", data: [], mode: .persistent), .delete(path: "/a", version: -1)]), exists("")]),
            .ask(2, [exists("/a", watch: true), list("", watch: true)]),
            .ask(
                1,
                [create("/a"), .multi([.create(path: "/a", data: [], mode: .persistent), .delete(path: "/a", version: -1)])]),
        ])

    static let watches = ZooKeeperScript(
        name: "watches on one's own changes",
        steps: [
            .open(1),
            // Once, and before the answer that shows the change.
            .ask(1, [exists("/w", watch: true), list("", watch: true), create("/w"), get("/w"), set("/w"), delete("/w")]),
            .ask(1, [create("/w"), get("/w", watch: true), set("/w"), set("/w"), get("/w", watch: true), delete("/w")]),
            .ask(
                1,
                [
                    create("/w"), exists("/w", watch: true), exists("/w", watch: true), get("/w", watch: true), set("/w"),
                    set("/w"),
                ]),
            .ask(
                1,
                [list("/w", watch: true), create("/w/c"), create("/w/d"), list("/w", watch: true), set("/w/c"), delete("/w/c")]),
            .ask(
                1, [list("/w", watch: true), get("/w", watch: true), delete("/w/d"), exists("/w", watch: true), delete("/w")]),
            // One that is read as missing is not watched, but by exists.
            .ask(1, [get("/n", watch: true), list("/n", watch: true), create("/n"), delete("/n")]),
            .ask(1, [exists("/n", watch: true), get("/n", watch: true), create("/n"), set("/n"), delete("/n")]),
            // Both kinds on one node, and on its parent.
            .ask(
                1,
                [
                    create("/b"), get("/b", watch: true), list("/b", watch: true), exists("", watch: true),
                    list("", watch: true), delete("/b"),
                ]),
            .ask(1, [set(""), create("/later")]),
        ])

    static let watchesOfOthers = ZooKeeperScript(
        name: "watches on the changes of others",
        steps: [
            .open(1), .open(2), .open(3),
            .ask(1, [create("/w"), create("/w/c", [], .ephemeral)]),
            .ask(
                2,
                [get("/w", watch: true), list("/w", watch: true), exists("/w/c", watch: true), exists("/later", watch: true)]),
            .ask(3, [exists("/w", watch: true), list("", watch: true), get("/w/c", watch: true)]),
            .ask(1, [set("/w"), set("/w"), create("/later", [], .ephemeral), set("/w/c"), delete("/w/c")]),
            .ask(2, [get("/w", watch: true), list("/w", watch: true), list("", watch: true)]),
            .ask(3, [delete("/w"), create("/w"), set("/w")]),
            .ask(1, [set("/w", [], 9), create("/w/x/y"), delete("/w", 9)]),
        ])

    static let watchesOfMultis = ZooKeeperScript(
        name: "watches on transactions",
        steps: [
            .open(1), .open(2),
            .ask(1, [create("/a"), create("/b"), create("/b/c")]),
            .ask(
                2,
                [
                    get("/a", watch: true), list("/b", watch: true), exists("/n", watch: true), get("/b/c", watch: true),
                    list("", watch: true),
                ]),
            .ask(
                1,
                [
                    .multi([
                        .set(path: "/a", data: [1], version: 0), .create(path: "/n", data: [], mode: .persistent),
                        .check(path: "/b", version: 3),
                    ])
                ]),
            .ask(
                1,
                [
                    .multi([
                        .set(path: "/a", data: [1], version: 0), .delete(path: "/b/c", version: 0),
                        .delete(path: "/b", version: 0),
                        .create(path: "/n", data: [], mode: .ephemeral), .delete(path: "/n", version: 0),
                        .delete(path: "/a", version: 1),
                    ])
                ]),
            .ask(2, [exists("/n", watch: true)]),
            .ask(1, [create("/n")]),
        ])

    static let sessionEnds = ZooKeeperScript(
        name: "the end of sessions",
        steps: [
            .open(1), .open(2), .open(3),
            .ask(
                1,
                [
                    create("/p"), create("/p/a", [], .ephemeral), create("/p/b", [], .ephemeralSequential),
                    create("/e", [], .ephemeral),
                ]),
            .ask(
                2,
                [
                    list("/p", watch: true), get("/p/a", watch: true), exists("/e", watch: true), list("", watch: true),
                    get("/p", watch: true),
                ]),
            // Answered in order until the close, refused after it. Its own watches are silent.
            .close(
                1, before: [list("/p", watch: true), create("/last", [], .ephemeral), get("/p", watch: true)],
                after: [exists("/p"), create("/x"), .sync(path: "/"), .multi([.check(path: "/p", version: 0)])]),
            .ask(2, [list(""), exists("/p"), list("/p"), exists("/last"), set("/p")]),
            .cut(3),
            .close(3, before: [], after: [exists("/p")]),
            .ask(2, [list("")]),
        ])

    /// A server takes no packet beyond a megabyte.
    static let limits: ZooKeeperScript = {
        func data(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }
        return ZooKeeperScript(
            name: "limits",
            steps: [
                .open(1), .open(2),
                .ask(
                    1,
                    [
                        create("/ok", data(1_000_000)), get("/ok"), create("/large", data(1 << 20)), exists("/large"),
                        create("/small"),
                    ]),
                .ask(1, [set("/ok", data(1 << 20)), exists("/ok"), set("/ok", []), exists("/ok")]),
                .ask(
                    2,
                    [
                        .multi([
                            .set(path: "/ok", data: data(600_000), version: -1),
                            .set(path: "/small", data: data(600_000), version: -1),
                        ]),
                        exists("/ok"), .multi([.set(path: "/ok", data: data(500_000), version: -1)]), exists("/ok"),
                    ]),
            ])
    }()

    static let paths: ZooKeeperScript = {
        let bad = [
            "//", "/a//b", "/a/", "/.", "/..", "/a/./b", "/a/../b", "/a/.", "a", "relative/path", "/nul\0", "/control\u{1}",
            "/delete\u{7F}",
            "/c1\u{85}", "/private\u{E000}", "/special\u{FFF5}", "/😀",
        ]
        let good = ["/.hidden", "/...", "/a b", "/ü", "/€", "/a:b?c", "/zookeeper"]
        var steps: [Step] = [.open(1)]
        for path in bad {
            let sequential = create(path, [], .persistentSequential)
            steps.append(
                .ask(
                    1,
                    [
                        create(path), get(path), exists(path, watch: true), list(path), set(path), delete(path),
                        .sync(path: path),
                        .multi([.create(path: "/ok", data: [], mode: .persistent), .check(path: path, version: 0)]),
                        exists("/ok"),
                    ] + (path == "/a/" ? [] : [sequential])))
        }
        for path in good { steps.append(.ask(1, [create(path), exists(path), set(path), list(""), delete(path)])) }
        return ZooKeeperScript(name: "paths", steps: steps)
    }()

    /// The script's own root, whose parent belongs to nobody.
    static let roots = ZooKeeperScript(
        name: "roots",
        steps: [
            .open(1),
            .ask(1, [exists(""), list("", watch: true), set("", [1], 0), create(""), create("", [], .ephemeral), get("")]),
            .ask(1, [create("/", [], .persistentSequential), list(""), delete("")]),
        ])
}
