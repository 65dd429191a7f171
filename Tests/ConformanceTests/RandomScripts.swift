import Machine

/// Scripts drawn from a seed: some sessions that get in each other's way on a few paths.
extension ZooKeeperScript {
    /// - Parameter expiring: whether sessions end by silence, too, which takes seconds.
    static func random(seed: UInt64, steps count: Int = 24, expiring: Bool) -> ZooKeeperScript {
        var draw = Draw(random: SeededRandom(seed: seed))
        var steps: [Step] = []
        var opened = 0
        var open: [Int] = []
        var cut: [Int] = []
        func openAnother() {
            opened += 1
            open.append(opened)
            steps.append(.open(opened))
        }
        for _ in 0..<(2 + draw.below(2)) { openAnother() }
        // Something to work on, and names that sequential nodes may meet.
        steps.append(.ask(1, ["/a", "/b", "/a/x"].map { .create(path: $0, data: [], mode: .persistent) }))
        for step in 0..<count {
            let session = open[draw.below(open.count)]
            switch draw.below(expiring ? 30 : 28) {
            case 0 where open.count > 1:
                open.removeAll { $0 == session }
                steps.append(.close(session, before: draw.operations(2), after: draw.operations(1)))
                openAnother()
            case 1 where open.count > 1 && cut.isEmpty:
                open.removeAll { $0 == session }
                cut.append(session)
                steps.append(.cut(session))
            case 2...6 where !cut.isEmpty, _ where !cut.isEmpty && step == count - 1:
                let back = cut.removeLast()
                open.append(back)
                steps.append(.restore(back))
            // Not beside one that is cut off: both would be silent for too long.
            case 28... where open.count > 1 && cut.isEmpty:
                open.removeAll { $0 == session }
                steps.append(.expire(session))
                openAnother()
            default: steps.append(.ask(session, draw.operations(1 + draw.below(3))))
            }
        }
        return ZooKeeperScript(name: "random script of seed \(seed)", steps: steps)
    }

    private struct Draw {
        var random: SeededRandom

        mutating func below(_ bound: Int) -> Int { Int(random.next(upperBound: UInt64(bound))) }
        mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }
        mutating func operations(_ count: Int) -> [CoordinationOperation] { (0..<count).map { _ in operation() } }

        mutating func operation() -> CoordinationOperation {
            switch below(20) {
            case 0...2: .get(path: path(), watch: below(2) == 0)
            case 3...5: .exists(path: path(), watch: below(3) > 0)
            case 6...8: .children(path: path(), watch: below(2) == 0)
            case 9: .sync(path: path())
            case 10...12: .multi((0..<(1 + below(4))).map { _ in change(inMulti: true) })
            case _:
                switch change(inMulti: false) {
                case .create(let path, let data, let mode): .create(path: path, data: data, mode: mode)
                case .delete(let path, let version): .delete(path: path, version: version)
                case .set(let path, let data, let version): .set(path: path, data: data, version: version)
                case .check(let path, _): .exists(path: path, watch: true)
                }
            }
        }

        mutating func change(inMulti: Bool) -> MultiOperation {
            switch below(inMulti ? 12 : 10) {
            case 0...4:
                let mode = one(of: [
                    CreateMode.persistent, .persistent, .ephemeral, .persistentSequential, .ephemeralSequential,
                ])
                return .create(
                    path: mode.isSequential ? one(of: ["/s-", "/a/s-", "/a/", "/b/x/s-"]) : path(), data: data(), mode: mode)
            case 5, 6: return .delete(path: path(), version: version())
            case 7...9: return .set(path: path(), data: data(), version: version())
            case _: return .check(path: path(), version: version())
            }
        }

        mutating func path() -> String {
            // Now and then something that nobody takes.
            if below(60) == 0 { return one(of: ["/a//b", "/a/", "a", "/a/./x", "/a/..", "/a/x\u{1}"]) }
            return one(of: [
                "", "/a", "/a", "/b", "/c", "/a/x", "/a/x", "/a/y", "/b/x", "/a/x/deep", "/s-0000000002", "/s-0000000003",
                "/a/s-0000000001", "/a/s-0000000002", "/a/0000000001",
            ])
        }

        mutating func data() -> [UInt8] { (0..<below(4)).map { _ in UInt8(below(256)) } }
        mutating func version() -> Int32 { one(of: [-1, -1, -1, 0, 0, 1, 2]) }
    }
}
