import Machine

/// What stands for a state: equal states have equal ones, and different states have different ones but for a chance in 2^64.
///
/// Machines keep their state to themselves, so it is read by reflection: slow (some tens of microseconds a node), but complete
/// by construction, and nothing has to be added to a machine. What may make no difference between two states is left out or
/// made relative:
/// - fields by name that count up or only pace are left out (serial numbers, lengths of pauses and what they are drawn from);
/// - identities of requests are renamed in the order in which they are met, as only their equality matters;
/// - instants, and clock readings that travel (`sentAt`, `echo`), are folded relative to now, no further off than `horizon`.
public struct Fingerprint: Sendable {
    public private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// What instants are relative to.
    public var now = Instant.zero
    /// Instants further from now than this are all alike.
    public var horizon = Nanoseconds.zero
    public var omitted: [String] = Fingerprint.alwaysOmitted

    private var requests: [CoordinationID] = []
    /// Within a part whose generator serves for nothing but the length of pauses.
    private var isPacing = false

    /// Fields of any machine that make no difference to what it will do, where time is not measured.
    public static let alwaysOmitted = ["serial", "nextPause", "nextSearch", "away", "lastProblem", "problems", "absent"]

    public init() {}

    @inline(__always) public mutating func fold(_ word: UInt64) {
        let product = (value ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        value = product.high ^ product.low &+ 0x2545_F491_4F6C_DD1D
    }

    public mutating func fold(_ number: Int) { fold(UInt64(bitPattern: Int64(number))) }
    public mutating func fold(_ flag: Bool) { fold(flag ? 1 : 2 as UInt64) }

    public mutating func fold(_ text: String) {
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in text.utf8 {
            word = word << 8 | UInt64(byte)
            count += 1
            if count & 7 == 0 {
                fold(word)
                word = 0
            }
        }
        fold(word ^ count << 56)
    }

    public mutating func fold(_ bytes: [UInt8]) {
        var hash = TraceHash()
        hash.fold(bytes)
        fold(hash.value)
    }

    public mutating func fold(_ instant: Instant) {
        let distance = (instant - now).count
        fold(UInt64(bitPattern: min(max(distance, -horizon.count), horizon.count)))
    }

    public mutating func fold(_ id: CoordinationID) {
        fold(UInt64(id.owner))
        if let index = requests.firstIndex(of: id) { return fold(index) }
        fold(requests.count)
        requests.append(id)
    }

    public mutating func fold(_ stat: Stat) {
        for zxid in [stat.czxid, stat.mzxid, stat.pzxid, stat.ephemeralOwner] { fold(UInt64(bitPattern: zxid)) }
        for number in [stat.version, stat.cversion, stat.dataLength, stat.numChildren] { fold(Int(number)) }
    }

    /// What ZooKeeper tells, without the identity of the request: answers come in order.
    public mutating func fold(_ event: CoordinationEvent.Kind) {
        switch event {
        case .connected(let session, _):
            fold(1)
            fold(UInt64(bitPattern: session))
        case .disconnected: fold(2)
        case .expired: fold(3)
        case .closed: fold(4)
        case .watchFired(let path, let kind):
            fold(5)
            fold(path)
            fold("\(kind)")
        case .reply(_, let reply): fold(reply)
        }
    }

    private mutating func fold(_ reply: CoordinationReply) {
        switch reply {
        case .created(let path): fold(path)
        case .deleted: fold(7)
        case .set(let stat): fold(stat)
        case .data(let bytes, let stat):
            fold(bytes)
            fold(stat)
        case .existence(let stat): if let stat { fold(stat) } else { fold(8) }
        case .children(let names, let stat):
            for name in names { fold(name) }
            fold(stat)
        case .synced: fold(9)
        case .multi(let results):
            for result in results {
                switch result {
                case .checked, .deleted: fold(10)
                case .created(let path): fold(path)
                case .set(let stat): fold(stat)
                }
            }
        case .failed(let error, let operations):
            fold("\(error)")
            for operation in operations { fold(operation.map { "\($0)" } ?? "") }
        }
    }

    // MARK: Reflection

    /// Folds any value by what is stored in it.
    public mutating func foldContent(of subject: Any) {
        if foldPlain(subject) { return }
        let mirror = Mirror(reflecting: subject)
        switch mirror.displayStyle {
        case .dictionary, .set: foldUnordered(mirror)
        case .enum where mirror.children.isEmpty: fold("\(subject)")
        case .struct, .class, .enum, .tuple, .optional, .collection, .foreignReference, nil:
            if mirror.displayStyle == nil, mirror.children.isEmpty { return fold("\(subject)") }
            for child in mirror.children { foldChild(child, of: mirror.displayStyle) }
            fold(0xE2D as UInt64)
        @unknown default: fold("\(subject)")
        }
    }

    private mutating func foldChild(_ child: Mirror.Child, of style: Mirror.DisplayStyle?) {
        if let label = child.label {
            if omitted.contains(label) || isPacing && label == "random" { return }
            if label == "conversation" {
                isPacing = true
                foldContent(of: child.value)
                isPacing = false
                return
            }
            if label == "sentAt" || label == "echo", let stamp = child.value as? Int64 {
                return fold(Instant(nanoseconds: stamp))
            }
            // The case of an enum is told by its label; the fields of a struct are told by their order.
            if style == .enum { fold(label) }
        }
        foldContent(of: child.value)
    }

    /// Members of hashed collections come in any order: their own fingerprints are summed up.
    private mutating func foldUnordered(_ mirror: Mirror) {
        var sum: UInt64 = 0
        for child in mirror.children {
            var digest = Fingerprint()
            (digest.now, digest.horizon, digest.omitted) = (now, horizon, omitted)
            digest.foldContent(of: child.value)
            sum &+= digest.value
        }
        fold(sum)
    }

    /// What is cheaper to fold as itself, and what has a meaning of its own.
    private mutating func foldPlain(_ subject: Any) -> Bool {
        let type = type(of: subject)
        if type == UInt64.self, let number = subject as? UInt64 {
            fold(number)
        } else if type == String.self, let text = subject as? String {
            fold(text)
        } else if type == Bool.self, let flag = subject as? Bool {
            fold(flag)
        } else if type == [UInt8].self, let bytes = subject as? [UInt8] {
            fold(bytes)
        } else if type == Int.self, let number = subject as? Int {
            fold(number)
        } else if type == Int64.self, let number = subject as? Int64 {
            fold(UInt64(bitPattern: number))
        } else if type == UInt32.self, let number = subject as? UInt32 {
            fold(UInt64(number))
        } else if type == Int32.self, let number = subject as? Int32 {
            fold(Int(number))
        } else if type == Instant.self, let instant = subject as? Instant {
            fold(instant)
        } else if type == CoordinationID.self, let id = subject as? CoordinationID {
            fold(id)
        } else {
            return false
        }
        return true
    }
}

/// Remembers fingerprints of parts of states. A part that was in a known state, and to which something known happened, is in
/// a known state again: reflection, which is most of the work, is then spared.
public struct FingerprintMemo: Sendable {
    private struct Key: Hashable {
        var before: UInt64
        var input: UInt64
    }

    private var prints = LookupTable<Key, UInt64>()
    private var hits = 0
    /// How many times a part was read by reflection.
    public private(set) var readings = 0

    public init() {}

    /// The fingerprint of a part after `input` happened to it. `read` reads it by reflection; now and then it does so even where
    /// that is not needed, to prove that what happened was told completely.
    public mutating func digest(after before: UInt64, input: UInt64, read: () -> UInt64) -> UInt64 {
        let key = Key(before: before, input: input)
        if let known = prints[key] {
            hits += 1
            precondition(hits & 127 != 0 || known == read(), "two different states of a part were taken for one")
            return known
        }
        readings += 1
        let digest = read()
        prints[key] = digest
        return digest
    }
}
