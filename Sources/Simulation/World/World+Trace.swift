import Machine

extension World {
    /// Folds an event that a node is stepped with into the trace.
    @inline(__always)
    @inlinable mutating func traceEvent(_ event: NodeEvent<N.Message, N.Request>, _ process: Int) {
        if trace.isRecording { tellEvent(event, process) }
        switch event {
        case .started: trace.fold(at: now, 16, process) { _ in }
        case .coordination(let event): trace.fold(at: now, 17, process) { event.fold(into: &$0) }
        case .received(let message, let from):
            trace.fold(at: now, 18, process) {
                $0.fold(UInt64(from.port))
                message.fold(into: &$0)
            }
        case .linkUp(let peer): trace.fold(at: now, 19, process) { $0.fold(UInt64(peer.port)) }
        case .linkDown(let peer): trace.fold(at: now, 20, process) { $0.fold(UInt64(peer.port)) }
        case .requested(let request, let call):
            trace.fold(at: now, 21, process) {
                $0.fold(call.number)
                request.fold(into: &$0)
            }
        case .cancelled(let call): trace.fold(at: now, 22, process) { $0.fold(call.number) }
        case .disk(let completion): trace.fold(at: now, 23, process) { completion.fold(into: &$0) }
        case .timerFired(let id):
            trace.fold(at: now, 24, process) {
                $0.fold(UInt64(id.purpose))
                $0.fold(id.instance)
            }
        case .shutdownRequested: trace.fold(at: now, 25, process) { _ in }
        case .batchEnded: trace.fold(at: now, 26, process) { _ in }
        }
    }
}

extension World {
    @usableFromInline mutating func tellEvent(_ event: NodeEvent<N.Message, N.Request>, _ process: Int) {
        let note = processes[process].notes.popFirst() ?? InboxNote(from: nil, sent: now)
        switch event {
        case .started, .shutdownRequested, .batchEnded: tell(.step, lane: process, "\(event)")
        case .cancelled(let call): tell(.step, lane: process, "#\(call.number) cancelled")
        case .linkUp(let peer): tell(.link, lane: process, "link to \(peer.host) up")
        case .linkDown(let peer): tell(.link, lane: process, "link to \(peer.host) down")
        case .coordination(let event): tell(.zooKeeper, lane: process, event.brief)
        case .received(let message, _):
            tell(.message, lane: process, from: note.from ?? process, sent: note.sent, message.brief)
        case .requested(let request, let call):
            tell(.call, lane: process, from: note.from ?? process, sent: note.sent, "#\(call.number) \(request.brief)")
        case .disk(let completion): tell(.disk, lane: process, completion.brief)
        case .timerFired(let id): tell(.timer, lane: process, "timer \(id.purpose).\(id.instance)")
        }
    }
}

extension DiskCompletion: Traceable {
    public var brief: String {
        switch result {
        case .done: "disk \(id.number) done"
        case .data(let bytes): "disk \(id.number) read \(Simulation.brief(bytes))"
        case .listing(let entries): "disk \(id.number) lists \(entries.map { "\($0.file) (\($0.size))" })"
        case .failed(let error): "disk \(id.number) failed: \(error.detail)"
        }
    }

    public func fold(into hash: inout TraceHash) {
        hash.fold(id.number)
        switch result {
        case .done: hash.fold(UInt64(1))
        case .data(let bytes): hash.fold(bytes)
        case .listing(let entries):
            for entry in entries {
                hash.fold(entry.file.name)
                hash.fold(entry.size)
            }
        case .failed(let error): hash.fold(error.detail)
        }
    }
}

extension CoordinationEvent: Traceable {
    public var brief: String {
        switch kind {
        case .connected(let id, _): "zk\(session.number) connected, session \(id)"
        case .disconnected, .expired, .closed: "zk\(session.number) \(kind)"
        case .reply(let id, let reply): "zk\(session.number) \(id.owner).\(id.serial & 0xFFFF_FFFF) \(reply.brief)"
        case .watchFired(let path, let kind): "zk\(session.number) watch \(path) \(kind)"
        }
    }

    public func fold(into hash: inout TraceHash) {
        hash.fold(session.number)
        switch kind {
        case .connected(let sessionID, let timeout):
            hash.fold(sessionID)
            hash.fold(timeout.count)
        case .disconnected: hash.fold(UInt64(1))
        case .expired: hash.fold(UInt64(2))
        case .closed: hash.fold(UInt64(3))
        case .reply(let id, let reply):
            hash.fold(UInt64(id.owner))
            hash.fold(id.serial)
            reply.fold(into: &hash)
        case .watchFired(let path, let kind):
            hash.fold(path)
            switch kind {
            case .created: hash.fold(UInt64(4))
            case .deleted: hash.fold(UInt64(5))
            case .dataChanged: hash.fold(UInt64(6))
            case .childrenChanged: hash.fold(UInt64(7))
            }
        }
    }
}

extension CoordinationReply: Traceable {
    public var brief: String {
        switch self {
        case .created(let path): "created \(path)"
        case .deleted, .synced: "\(self)"
        case .multi(let results): "multi done, \(results.count) operations"
        case .failed(let error, let operations):
            operations.count < 2
                ? "failed: \(error)"
                : "failed: \(error) (\(operations.map { $0.map { "\($0)" } ?? "ok" }.joined(separator: ", ")))"
        case .set(let stat): "set, version \(stat.version)"
        case .data(let bytes, let stat): "data \(Simulation.brief(bytes)), version \(stat.version)"
        case .existence(let stat): stat.map { "exists, version \($0.version)" } ?? "does not exist"
        case .children(let names, _): "children \(names.sorted())"
        }
    }

    public func fold(into hash: inout TraceHash) {
        switch self {
        case .created(let path): hash.fold(path)
        case .deleted: hash.fold(UInt64(1))
        case .set(let stat): stat.fold(into: &hash)
        case .data(let bytes, let stat):
            hash.fold(bytes)
            stat.fold(into: &hash)
        case .existence(let stat):
            hash.fold(UInt64(stat == nil ? 2 : 3))
            stat?.fold(into: &hash)
        case .children(let names, let stat):
            for name in names { hash.fold(name) }
            stat.fold(into: &hash)
        case .synced: hash.fold(UInt64(4))
        case .multi(let results):
            for result in results {
                switch result {
                case .checked: hash.fold(UInt64(5))
                case .created(let path): hash.fold(path)
                case .deleted: hash.fold(UInt64(6))
                case .set(let stat): stat.fold(into: &hash)
                }
            }
        case .failed(let error, let operations):
            error.fold(into: &hash)
            for code in operations {
                if let code { code.fold(into: &hash) } else { hash.fold(UInt64(0)) }
            }
        }
    }
}

extension CoordinationError: Traceable {
    public func fold(into hash: inout TraceHash) {
        let number: Int =
            switch self {
            case .systemError: 1
            case .runtimeInconsistency: 2
            case .connectionLoss: 3
            case .marshallingError: 4
            case .unimplemented: 5
            case .operationTimeout: 6
            case .badArguments: 7
            case .invalidState: 8
            case .noNode: 9
            case .noAuth: 10
            case .badVersion: 11
            case .noChildrenForEphemerals: 12
            case .nodeExists: 13
            case .notEmpty: 14
            case .sessionExpired: 15
            case .sessionMoved: 16
            case .authFailed: 17
            case .closing: 18
            case .other(let code): 1_000 + Int(code)
            }
        hash.fold(number)
    }
}

extension Stat: Traceable {
    public func fold(into hash: inout TraceHash) {
        hash.fold(czxid)
        hash.fold(mzxid)
        hash.fold(pzxid)
        hash.fold(Int(version) << 32 | Int(cversion))
        hash.fold(ephemeralOwner)
        hash.fold(Int(dataLength) << 32 | Int(numChildren))
    }
}
