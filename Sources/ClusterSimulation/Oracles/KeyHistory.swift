import Simulation

// Property: every read of a key returns a state that the key may have had between the read's beginning and its end.

/// What was tried on one key, and what is known of it: an exact judge of reads without searching through orders.
///
/// One client writes the key, one operation at a time, and numbers its writes: *versions*, from 1 on. Version 0 is the key
/// that was never written. A put stores its version as the value, a delete is a version whose state is "not found".
///
/// A write whose outcome is unknown may take effect at any later moment. So its client never writes that key again: then
/// versions take effect in their order, and what is visible can only grow. `floor` is the highest version that is known to
/// have taken effect: acknowledged, or seen by a read that has ended. A read that began when the floor was f must return a
/// version of at least f. A write that was reported as "certainly not" must never be seen.
struct KeyHistory: Sendable {
    enum Outcome: Hashable, Sendable {
        case pending, acknowledged, unknown
        /// Reported as certainly not done.
        case refused
    }

    struct Version: Hashable, Sendable {
        var isDelete: Bool
        var outcome = Outcome.pending
        /// Whether a read proved it.
        var wasSeen = false
    }

    let name: String
    private(set) var versions: [Version] = []
    /// The highest version that certainly has taken effect.
    private(set) var floor = 0

    init(name: String) { self.name = name }

    var newest: Int { versions.count }
    /// Whether its client may write it again.
    var isOpen: Bool { versions.last.map { $0.outcome == .acknowledged || $0.outcome == .refused } ?? true }

    private func version(_ number: Int) -> Version { versions[number - 1] }

    /// The state after all writes that took effect, where no outcome is open.
    private var existsNow: Bool {
        versions.last { $0.outcome == .acknowledged }.map { !$0.isDelete } ?? false
    }

    // MARK: Writes

    /// Returns the number of the new version.
    mutating func began(isDelete: Bool) -> Int {
        precondition(isOpen, "a key with an open outcome is not written")
        versions.append(Version(isDelete: isDelete))
        return versions.count
    }

    /// - Parameter existed: what a delete reported.
    mutating func acknowledged(_ number: Int, existed: Bool?) -> Violation? {
        let before = existsNow
        versions[number - 1].outcome = .acknowledged
        floor = max(floor, number)
        if let existed, existed != before {
            return Violation(
                "a delete tells whether the key was there",
                "the delete \(name)=\(number) reported existed=\(existed), but the version before it was \(before ? "a value" : "none")"
            )
        }
        return nil
    }

    mutating func unknown(_ number: Int) { versions[number - 1].outcome = .unknown }

    mutating func refused(_ number: Int, _ reason: String) -> Violation? {
        versions[number - 1].outcome = .refused
        guard version(number).wasSeen else { return nil }
        return Violation(
            "what is reported as not done was not done",
            "\(name)=\(number) failed with \"\(reason)\", but a read had returned it before")
    }

    // MARK: Reads

    /// Judges a state that was read. `since` is `floor` at the moment when the read began.
    mutating func read(_ state: ReadState, since: Int, by reader: @autoclosure () -> String) -> Violation? {
        switch state {
        case .foreign(let text):
            return Violation("reads return what was written", "\(reader()) read \(text) as the value of \(name)")
        case .version(let number):
            guard number >= 1, number <= newest, !version(number).isDelete else {
                return Violation("reads return what was written", "\(reader()) read \(name)=\(number), which nobody wrote")
            }
            if version(number).outcome == .refused {
                return Violation(
                    "what is reported as not done was not done",
                    "\(reader()) read \(name)=\(number), whose write was reported as certainly not done")
            }
            if number < since { return lost("\(name)=\(number)", since, reader()) }
            versions[number - 1].wasSeen = true
            floor = max(floor, number)
        case .missing:
            // The lowest version that explains it is what is proven.
            var candidate = since
            while candidate <= newest {
                if candidate == 0 || version(candidate).isDelete && version(candidate).outcome != .refused { break }
                candidate += 1
            }
            guard candidate <= newest else { return lost("\(name) not found", since, reader()) }
            if candidate > floor {
                floor = candidate
                versions[candidate - 1].wasSeen = true
            }
        }
        return nil
    }

    private func lost(_ what: String, _ since: Int, _ reader: String) -> Violation {
        let known = version(since)
        let why = known.outcome == .acknowledged ? "acknowledged" : "returned by a read"
        return Violation(
            "acknowledged writes survive",
            "\(reader) found \(what), but \(name)=\(since) (a \(known.isDelete ? "delete" : "put")) had been \(why) before that read began"
        )
    }
}

/// A state of a key, as its bytes tell.
enum ReadState: Hashable, Sendable {
    case missing
    case version(Int)
    /// Bytes that no client of this run wrote to this key.
    case foreign(String)

    /// A value is `<key>=<version>`, then a space and padding.
    static func value(key: String, version: Int, padding: Int) -> [UInt8] {
        Array("\(key)=\(version) ".utf8) + Array(repeating: UInt8(ascii: "."), count: padding)
    }

    init(_ bytes: [UInt8]?, key: String) {
        guard let bytes else {
            self = .missing
            return
        }
        let head = bytes.prefix { $0 != UInt8(ascii: " ") }
        let prefix = Array(key.utf8) + [UInt8(ascii: "=")]
        let digits = head.dropFirst(prefix.count)
        guard head.starts(with: prefix), !digits.isEmpty, digits.count < 10, digits.allSatisfy({ (48...57).contains($0) }),
            head.count < bytes.count, bytes.withUnsafeBytes({ $0.isFilled(with: UInt8(ascii: "."), from: head.count + 1) })
        else {
            self = .foreign(String(decoding: bytes.prefix(60), as: UTF8.self))
            return
        }
        self = .version(digits.reduce(0) { $0 * 10 + Int($1 - 48) })
    }
}
