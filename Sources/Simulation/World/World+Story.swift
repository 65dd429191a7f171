import Machine

// What is told of a run: lanes are the endpoints (processes, then clients), then ZooKeeper, then the world itself.

extension World {
    @inlinable public var laneOfZooKeeper: Int { network.endpoints }
    @inlinable public var laneOfWorld: Int { network.endpoints + 1 }

    /// Records an event, if anything is recorded.
    @inline(__always)
    @inlinable public mutating func tell(_ kind: StoryEvent.Kind, lane: Int? = nil, _ text: @autoclosure () -> String) {
        guard trace.isRecording else { return }
        trace.record(StoryEvent(time: now, lane: lane ?? laneOfWorld, kind: kind, text: text(), index: trace.length))
    }

    /// Records what came from somewhere else, or was lost on the way.
    @inline(__always)
    @inlinable mutating func tell(
        _ kind: StoryEvent.Kind, lane: Int, from: Int, sent: Instant, isLost: Bool = false, _ text: @autoclosure () -> String
    ) {
        guard trace.isRecording else { return }
        trace.record(
            StoryEvent(
                time: now, lane: lane, kind: kind, text: text(), from: from, sent: sent, isLost: isLost, index: trace.length))
    }

    /// Begins a bar of the story that lasts until `endBars`, or for a known time.
    @inlinable public mutating func beginBar(
        _ kind: StoryBar.Kind, lane: Int, lasting length: Nanoseconds? = nil, _ text: @autoclosure () -> String
    ) {
        guard trace.isRecording else { return }
        trace.begin(StoryBar(lane: lane, kind: kind, begin: now, end: length.map { now + $0 } ?? .never, text: text()))
    }

    @inlinable public mutating func endBars(_ kinds: [StoryBar.Kind], lane: Int) { trace.endBars(kinds, lane: lane, at: now) }

    /// A bar whose outcome is known at its end.
    public mutating func tellBar(_ bar: StoryBar) { trace.begin(bar) }

    /// What a fault covers, for the picture.
    @usableFromInline mutating func tellBars(of fault: Fault) {
        guard trace.isRecording else { return }
        let kind: StoryBar.Kind
        var lanes = fault.processes
        switch fault.kind {
        case .kill, .powerLoss, .bulkPowerLoss, .diskLoss, .shutdown, .rollingRestart, .reset, .sessionExpiry, .clockRate,
            .pause, .pauseMidBatch, .zooKeeperFailover, .zooKeeperReset, .nodeDeletion, .bitRot, .sectorLoss,
            .clockStep, .oldImage:
            return
        case .slowProcess: kind = .slow
        case .slowPath:
            kind = .slow
            lanes = ends(of: fault.paths)
        case .isolation, .partition, .oneWayCut, .partialCut, .clientCut, .hostCut:
            kind = .cut
            lanes = ends(of: fault.paths)
        case .zooKeeperCut: kind = .cut
        case .zooKeeperOutage, .zooKeeperServerIsolated, .zooKeeperServerDown, .zooKeeperServerSlow:
            kind = .outage
            lanes = [laneOfZooKeeper]
        case .diskStall, .slowDisk, .diskFull, .syncFailure, .appendFailure, .misdirectedWrites: kind = .diskFault
        }
        for lane in lanes { beginBar(kind, lane: lane, lasting: fault.lasts, "\(fault)") }
    }

    private func ends(of paths: [Fault.Path]) -> [Int] {
        var lanes: [Int] = []
        for path in paths { for end in [path.from, path.to] where !lanes.contains(end) { lanes.append(end) } }
        return lanes.sorted()
    }

    /// The story of the run so far; the scenario adds what it alone knows. Its own kind of lane for each endpoint: processes
    /// are `kinds`, in their order.
    public func story(title: String, seed: UInt64, processes kinds: [Story.Lane.Kind]) -> Story {
        var lanes: [Story.Lane] = []
        for process in processes.indices {
            lanes.append(Story.Lane(name(process), process < kinds.count ? kinds[process] : .data))
        }
        for client in 0..<options.clients { lanes.append(Story.Lane("client \(client)", .client)) }
        lanes.append(Story.Lane("ZooKeeper", .zooKeeper))
        lanes.append(Story.Lane("world", .world))
        return Story(title: title, seed: seed, lanes: lanes, events: Array(trace.recorded), bars: trace.bars)
    }
}

/// What is remembered of an event that waits in an inbox, while a story is recorded.
@usableFromInline struct InboxNote: Sendable {
    @usableFromInline var from: Int?
    @usableFromInline var sent: Instant

    @inlinable init(from: Int?, sent: Instant) {
        self.from = from
        self.sent = sent
    }
}
