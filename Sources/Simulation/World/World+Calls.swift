import Machine

// Fault model. A client's call is a unary RPC: calls are independent of each other and can overtake one another. A request
// to a process that is down is refused, and certainly did nothing. When the process dies, its calls break with an unknown
// outcome. Over a cut path nothing travels, in either direction: what was sent waits for the end of the cut. The client
// gives up when it likes; the process hears of that, late or never.

/// A call under way.
@usableFromInline struct Call<Request: Sendable, Reply: Sendable>: Sendable {
    @usableFromInline var client: Int
    @usableFromInline var process: Int
    /// Until it arrives.
    @usableFromInline var request: Request?
    @usableFromInline var reply: Reply?
    /// When the request left the client; later, when the reply left the process.
    @usableFromInline var sent: Instant
    @usableFromInline var place = CallPlace.toProcess

    @inlinable init(client: Int, process: Int, request: Request, sent: Instant) {
        self.client = client
        self.process = process
        self.request = request
        self.sent = sent
    }

    @usableFromInline enum CallPlace: Sendable { case toProcess, atProcess, toClient }
}

/// Steps of a call that are planned.
@usableFromInline enum CallStep: Sendable { case arrives, returns, refused, broken, cancelled(process: Int32, life: UInt32) }

extension World {
    /// A client calls a process. Ends with an occurrence `.answered`, unless the client abandons it before.
    @inlinable public mutating func call(_ request: N.Request, from client: Int, to process: Int) -> CallID {
        _load.calls += 1
        let id = CallID(calls.add(Call(client: client, process: process, request: request, sent: now)))
        agenda.plan(.call(id, .arrives), at: now + network.latency(from: endpoint(ofClient: client), to: process))
        return id
    }

    /// The client no longer waits; no `.answered` comes. Whether the request was or will be executed is unknown.
    @inlinable public mutating func abandon(_ id: CallID) {
        guard let call = calls.take(id.number) else { return }
        tell(.answer, lane: endpoint(ofClient: call.client), "#\(id.number) given up")
        switch call.place {
        case .toProcess, .toClient: break
        case .atProcess:
            openCalls[call.process].removeAll { $0 == id }
            let step = CallStep.cancelled(process: Int32(call.process), life: processes[call.process].life)
            let endpoint = endpoint(ofClient: call.client)
            if !network.isCut(from: endpoint, to: call.process) {
                agenda.plan(.call(id, step), at: now + network.latency(from: endpoint, to: call.process))
            }
        }
    }

    @inlinable mutating func callWentOn(_ id: CallID, _ step: CallStep) {
        if case .cancelled(let process, let life) = step {
            if isCurrent(process, life) { deliver(.cancelled(call: id), to: Int(process)) }
            return
        }
        guard let (number, process, sent) = calls.look(at: id.number, { ($0.client, $0.process, $0.sent) }) else { return }
        let client = endpoint(ofClient: number)
        switch step {
        case .cancelled: break
        case .arrives:
            if network.isCut(from: client, to: process) {
                agenda.plan(.call(id, .arrives), at: now + calling.length(.milliseconds(20)...(.milliseconds(200))))
            } else if !processes[process].isUp {
                agenda.plan(.call(id, .refused), at: now + network.latency(from: process, to: client))
            } else {
                let request = calls.look(at: id.number) {
                    $0.place = .atProcess
                    return $0.request.take()
                }
                openCalls[process].append(id)
                _load.saw(openCalls: openCalls[process].count)
                if let request, let request { deliver(.requested(request, call: id), to: process, from: client, sent: sent) }
            }
        case .returns:
            if network.isCut(from: process, to: client) {
                agenda.plan(.call(id, .returns), at: now + calling.length(.milliseconds(20)...(.milliseconds(200))))
            } else {
                finish(id, nil)
            }
        case .refused: finish(id, .refused)
        case .broken: finish(id, .broken)
        }
    }

    /// A call ended for its client; nil: with the reply that it holds.
    @inlinable mutating func finish(_ id: CallID, _ ending: CallOutcome<N.Reply>?) {
        guard let call = calls.take(id.number), let outcome = ending ?? call.reply.map({ .reply($0) }) else { return }
        trace.fold(at: now, 5, Int(id.number)) {
            switch outcome {
            case .reply(let reply): reply.fold(into: &$0)
            case .refused: $0.fold(UInt64(1))
            case .broken: $0.fold(UInt64(2))
            }
        }
        tell(
            .answer, lane: endpoint(ofClient: call.client), from: call.process, sent: call.sent,
            "#\(id.number) \(outcome.brief)")
        occur(.answered(id, outcome))
    }

    @inlinable mutating func replyToCall(_ id: CallID, _ reply: N.Reply, from process: Int) {
        let now = now
        let client = calls.look(at: id.number) { call -> Int? in
            guard call.process == process, call.place == .atProcess else { return nil }
            call.reply = reply
            call.sent = now
            call.place = .toClient
            return call.client
        }
        guard let client, let client else { return }
        openCalls[process].removeAll { $0 == id }
        agenda.plan(.call(id, .returns), at: now + network.latency(from: process, to: endpoint(ofClient: client)))
    }

    /// The process died: what it had not answered has an unknown outcome. Answers on their way may be lost with it.
    @usableFromInline mutating func breakCalls(at process: Int) {
        for id in openCalls[process] {
            calls.update(id.number) { $0.sent = _now }
            agenda.plan(.call(id, .broken), at: now + network.options.noticing.draw(&calling))
        }
        openCalls[process].removeAll()
    }
}
