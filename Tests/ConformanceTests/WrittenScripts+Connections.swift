import Machine

/// What happens to sessions that lose their connection, and to their watches.
extension ZooKeeperScript {
    static let reconnections: [ZooKeeperScript] = [
        ZooKeeperScript(
            name: "watches are set again",
            steps: [
                .open(1), .open(2),
                .ask(
                    1,
                    [
                        "/same", "/changed", "/recreated", "/gone", "/parent", "/parentOfRecreated", "/parentOfRecreated/c",
                        "/quiet",
                    ].map {
                        .create(path: $0, data: [], mode: .persistent)
                    }),
                .ask(
                    2,
                    ["/same", "/changed", "/recreated", "/gone"].map { .get(path: $0, watch: true) }
                        + ["/parent", "/parentOfRecreated", "/quiet", "/gone"].map { .children(path: $0, watch: true) }
                        + ["/made", "/missed", "/never", "/changed", "/gone"].map { .exists(path: $0, watch: true) }),
                .cut(2),
                .ask(
                    1,
                    [
                        .set(path: "/changed", data: [1], version: -1), .delete(path: "/recreated", version: -1),
                        .create(path: "/recreated", data: [], mode: .persistent), .delete(path: "/gone", version: -1),
                        .create(path: "/parent/c", data: [], mode: .persistent),
                        .delete(path: "/parentOfRecreated/c", version: -1),
                        .create(path: "/parentOfRecreated/c", data: [], mode: .persistent),
                        .set(path: "/quiet", data: [1], version: -1), .create(path: "/made", data: [], mode: .persistent),
                        // Created and deleted again: missed.
                        .create(path: "/missed", data: [], mode: .persistent), .delete(path: "/missed", version: -1),
                    ]),
                .restore(2),
                // What has not fired is still set, and what has is not.
                .ask(
                    1,
                    ["/same", "/changed", "/recreated", "/made"].map { .set(path: $0, data: [2], version: -1) } + [
                        .create(path: "/quiet/c", data: [], mode: .persistent),
                        .create(path: "/parent/d", data: [], mode: .persistent),
                        .create(path: "/never", data: [], mode: .persistent),
                        .create(path: "/missed", data: [], mode: .persistent),
                        .create(path: "/gone", data: [], mode: .persistent),
                    ]),
            ]),
        ZooKeeperScript(
            name: "watches that fired are not set again",
            steps: [
                .open(1), .open(2),
                .ask(1, [.create(path: "/w", data: [], mode: .persistent)]),
                .ask(2, [.get(path: "/w", watch: true), .children(path: "/w", watch: true), .exists(path: "/x", watch: true)]),
                .ask(1, [.set(path: "/w", data: [], version: -1)]),
                .cut(2),
                .ask(1, [.set(path: "/w", data: [], version: -1), .create(path: "/w/c", data: [], mode: .persistent)]),
                .restore(2),
                .ask(1, [.set(path: "/w", data: [], version: -1), .create(path: "/x", data: [], mode: .persistent)]),
                .cut(2), .restore(2),
                .ask(1, [.set(path: "/x", data: [], version: -1), .create(path: "/w/d", data: [], mode: .persistent)]),
            ]),
        ZooKeeperScript(
            name: "a node that was made after it was missed, and one that went after it was there",
            steps: [
                .open(1), .open(2),
                .ask(2, [.exists(path: "/n", watch: true), .create(path: "/m", data: [], mode: .ephemeral)]),
                .ask(2, [.exists(path: "/m", watch: true), .children(path: "/m", watch: true)]),
                .cut(2),
                .ask(1, [.create(path: "/n", data: [], mode: .ephemeral), .delete(path: "/m", version: -1)]),
                .restore(2),
                .ask(1, [.delete(path: "/n", version: -1), .create(path: "/m", data: [], mode: .ephemeral)]),
                .ask(2, [.exists(path: "/n", watch: true), .exists(path: "/m", watch: true)]),
                .cut(1),
                .close(1, before: [], after: []),
            ]),
        ZooKeeperScript(
            name: "ephemeral nodes outlive their connection, and requests wait for the next one",
            steps: [
                .open(1), .open(2),
                .ask(1, [.create(path: "/e", data: [], mode: .ephemeral)]),
                .cut(1),
                .ask(2, [.get(path: "/e", watch: true)]),
                .ask(
                    1, [.get(path: "/e", watch: true), .get(path: "bad", watch: true), .set(path: "/e", data: [1], version: 0)]),
                .restore(1),
                .ask(2, [.get(path: "/e", watch: true)]),
                .cut(1), .restore(1), .cut(1), .restore(1),
                .ask(1, [.exists(path: "/e", watch: false), .delete(path: "/e", version: 1)]),
            ]),
    ]

    static let expiries: [ZooKeeperScript] = [
        ZooKeeperScript(
            name: "a session expires",
            steps: [
                .open(1), .open(2),
                .ask(
                    1,
                    [
                        .create(path: "/p", data: [], mode: .persistent), .create(path: "/p/a", data: [], mode: .ephemeral),
                        .create(path: "/p/b", data: [], mode: .ephemeralSequential),
                        .create(path: "/e", data: [], mode: .ephemeral),
                        .get(path: "/p", watch: true),
                    ]),
                .ask(
                    2, [.children(path: "/p", watch: true), .get(path: "/p/a", watch: true), .exists(path: "/e", watch: true)]),
                .expire(1),
                .ask(
                    2,
                    [
                        .exists(path: "/p", watch: false), .children(path: "/p", watch: false),
                        .set(path: "/p", data: [], version: -1),
                    ]),
                .ask(1, [.exists(path: "/p", watch: false), .create(path: "/late", data: [], mode: .ephemeral)]),
                .open(3),
                .ask(3, [.create(path: "/e", data: [], mode: .ephemeral), .exists(path: "/e", watch: false)]),
                .close(1, before: [.exists(path: "/p", watch: false)], after: [.exists(path: "/p", watch: false)]),
            ]),
        ZooKeeperScript(
            name: "a session expires with requests that wait",
            steps: [
                .open(1), .open(2), .cut(1),
                .ask(2, [.create(path: "/n", data: [], mode: .persistent)]),
                .expire(1),
                .ask(1, [.get(path: "/n", watch: false)]),
            ]),
    ]

    static let leaderCrash = ZooKeeperScript(
        name: "the leader crashes",
        steps: [
            .open(1), .open(2), .open(3),
            .ask(
                1,
                [
                    .create(path: "/e", data: [], mode: .ephemeral), .create(path: "/p", data: [], mode: .persistent),
                    .get(path: "/p", watch: true),
                ]),
            .ask(2, [.create(path: "/f", data: [], mode: .ephemeralSequential), .exists(path: "/n", watch: true)]),
            .ask(3, [.children(path: "/p", watch: true), .get(path: "/e", watch: true)]),
            .failOver,
            // All sessions live, and what they watch.
            .ask(
                1,
                [.exists(path: "/e", watch: false), .children(path: "", watch: false), .set(path: "/p", data: [1], version: 0)]),
            .ask(
                2,
                [.create(path: "/p/s-", data: [], mode: .ephemeralSequential), .create(path: "/n", data: [], mode: .ephemeral)]),
            .ask(
                3,
                [.delete(path: "/e", version: 0), .multi([.check(path: "/p", version: 1), .delete(path: "/n", version: -1)])]),
            .close(2, before: [], after: []),
            .ask(3, [.children(path: "", watch: false), .exists(path: "/p", watch: false)]),
        ])
}
