import Machine

/// What the sessions of a script heard, step by step, in words that mean the same for every ensemble: sessions are named by
/// their numbers, zxids by their rank among all that were seen, paths from the script's root on.
struct Transcript {
    let root: String
    private var parts: [(label: String, session: Int, kinds: [CoordinationEvent.Kind], inAnyOrder: Bool)] = []
    private var names: [Int64: String] = [0: "nobody"]
    private var zxids: Set<Int64> = []

    init(root: String) { self.root = root }

    mutating func write(
        _ label: String, _ step: ZooKeeperScript.Step, _ heard: [(session: Int, kinds: [CoordinationEvent.Kind])]
    ) {
        let text = "\(label) \(step.brief)"
        parts.append((text, 0, [], false))
        for (session, kinds) in heard {
            for kind in kinds {
                if case .connected(let id, _) = kind { names[id] = "s\(session)" }
                for stat in kind.stats { zxids.formUnion([stat.czxid, stat.mzxid, stat.pzxid]) }
            }
            parts.append((text, session, kinds, step.hearsInAnyOrder))
        }
    }

    /// Whether a connection was lost or not made though the script says nothing of the kind: a machine that is too slow.
    func wasDisturbed(in script: ZooKeeperScript) -> Bool {
        var expected: [Int: Int] = [:]
        for step in script.steps {
            switch step {
            case .cut(let session), .expire(let session): expected[session, default: 0] += 1
            case .failOver: for session in 1...script.sessions { expected[session, default: 0] += 1 }
            case .open, .ask, .close, .restore: break
            }
        }
        var lost: [Int: Int] = [:]
        for part in parts { lost[part.session, default: 0] += part.kinds.count { $0 == .disconnected } }
        return lost.contains { $0.value > expected[$0.key] ?? 0 }
    }

    var lines: [String] {
        let ranks = Dictionary(uniqueKeysWithValues: zxids.sorted().enumerated().map { ($1, $0) })
        var lines: [String] = []
        for part in parts {
            if part.session == 0 {
                lines.append("step \(part.label)")
                continue
            }
            var watches: [String] = []
            for kind in part.kinds {
                let line = "    s\(part.session) \(text(kind, ranks))"
                if case .watchFired = kind, part.inAnyOrder {
                    watches.append(line)
                } else {
                    lines += watches.sorted() + [line]
                    watches = []
                }
            }
            lines += watches.sorted()
        }
        return lines
    }

    private func text(_ kind: CoordinationEvent.Kind, _ ranks: [Int64: Int]) -> String {
        switch kind {
        case .connected(_, let timeout): "connected for \(timeout.milliseconds) ms"
        case .disconnected, .expired, .closed: "\(kind)"
        case .watchFired(let path, let kind): "hears \(local(path)) \(kind)"
        case .reply(_, let reply): text(reply, ranks)
        }
    }

    private func text(_ reply: CoordinationReply, _ ranks: [Int64: Int]) -> String {
        func say(_ stat: Stat) -> String {
            func zxid(_ zxid: Int64) -> String { zxid == 0 ? "0" : "z\(ranks[zxid] ?? -1)" }
            return
                "c \(zxid(stat.czxid)) m \(zxid(stat.mzxid)) p \(zxid(stat.pzxid)) versions \(stat.version) \(stat.cversion) "
                + "\(stat.aversion) of \(names[stat.ephemeralOwner] ?? "unknown") \(stat.dataLength) bytes "
                + "\(stat.numChildren) children"
        }
        return switch reply {
        case .created(let path): "created \(local(path))"
        case .deleted: "deleted"
        case .set(let stat): "set: \(say(stat))"
        case .data(let data, let stat): "data \(data.prefix(20)): \(say(stat))"
        case .existence(let stat?): "exists: \(say(stat))"
        case .existence(nil): "does not exist"
        case .children(let names, let stat): "children \(names.sorted()): \(say(stat))"
        case .synced: "synced"
        case .multi(let results):
            "multi: "
                + results.map { result in
                    switch result {
                    case .checked: "checked"
                    case .created(let path): "created \(local(path))"
                    case .deleted: "deleted"
                    case .set(let stat): "set: \(say(stat))"
                    }
                }.joined(separator: "; ")
        case .failed(let error, let operations): "failed: \(error) \(operations.map { $0.map { "\($0)" } ?? "ok" })"
        }
    }

    private func local(_ path: String) -> String {
        path.hasPrefix(root) ? "~" + path.dropFirst(root.count) : path
    }
}

extension CoordinationEvent.Kind {
    fileprivate var stats: [Stat] {
        guard case .reply(_, let reply) = self else { return [] }
        return switch reply {
        case .set(let stat), .data(_, let stat), .existence(let stat?), .children(_, let stat): [stat]
        case .multi(let results): results.compactMap { if case .set(let stat) = $0 { stat } else { nil } }
        case .created, .deleted, .existence(nil), .synced, .failed: []
        }
    }
}

extension ZooKeeperScript.Step {
    /// Without the megabytes that some requests carry.
    var brief: String {
        let text = "\(self)".replacing("CoordinationOperation.", with: "").replacing("Machine.", with: "")
        return text.count <= 300 ? text : text.prefix(300) + "…"
    }
}

/// Where two transcripts of a script part.
struct Difference: CustomStringConvertible {
    let description: String

    init?(_ script: ZooKeeperScript, model: Transcript, real: Transcript) {
        let (model, real) = (model.lines, real.lines)
        guard
            let index = (0..<max(model.count, real.count)).first(where: {
                $0 >= model.count || $0 >= real.count || model[$0] != real[$0]
            })
        else { return nil }
        let before = real[..<min(index, real.count)].suffix(25).joined(separator: "\n")
        description = """
            \(script.name): the model and ZooKeeper part after
            \(before)
              model: \(index < model.count ? model[index] : "nothing")
              real:  \(index < real.count ? real[index] : "nothing")
            """
    }
}
