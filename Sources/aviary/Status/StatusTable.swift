import Wire

/// The cluster's status as text for people.
struct StatusTable {
    let text: String

    init(_ status: ClusterStatus) {
        var lines: [String] = []
        lines.append(
            "Seen by \(status.answeredBy)" + (status.coordinated ? "" : ", which has lost ZooKeeper: this is the last it knew"))
        lines.append(
            status.master.map { "Master  server \($0.number) at \($0.address)\($0.epoch.map { ", epoch \($0)" } ?? "")" }
                ?? "Master  none")
        lines.append("")
        lines += Self.servers(status)
        lines.append("")
        lines += Self.groups(status)
        lines.append("")
        lines += Self.ring(status.ring)
        for group in status.groups where !group.problem.isEmpty {
            lines += ["", "PROBLEM \(group.name): \(Self.printable(group.problem))"]
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    private static func servers(_ status: ClusterStatus) -> [String] {
        guard !status.servers.isEmpty else { return ["Servers: none registered"] }
        return align(
            [["SERVER", "ADDRESS", "ROLE"]]
                + status.servers.map { server in
                    ["\(server.number)", "\(server.address)", server.number == status.master?.number ? "master" : ""]
                })
    }

    private static func groups(_ status: ClusterStatus) -> [String] {
        guard !status.groups.isEmpty else { return ["Groups: none registered"] }
        var rows = [
            ["GROUP", "SHARE", "STATE", "TERM", "NODE", "ADDRESS", "ROLE", "IN SYNC", "POSITION", "COMMIT", "LAG", "KEYS"]
        ]
        for group in status.groups {
            let end = group.members.first { $0.isPrimary }?.replica?.last.seq
            let head = [printable(group.name), percent(group.shareMillionths), word(group.state), "\(group.term)"]
            if group.members.isEmpty { rows.append(head) }
            for (i, member) in group.members.enumerated() {
                rows.append((i == 0 ? head : ["", "", "", ""]) + cells(member, primaryEnd: end))
            }
        }
        return align(rows)
    }

    private static func cells(_ member: MemberStatus, primaryEnd: UInt64?) -> [String] {
        let replica = member.replica
        return [
            "\(member.member.number)",
            member.address?.description ?? "gone",
            role(member),
            member.inSync ? "yes" : "no",
            replica?.last.description ?? "?",
            replica.map { "\($0.commit)" } ?? "?",
            lag(of: member, behind: primaryEnd),
            replica.map { "\($0.keys)" } ?? "?",
        ]
    }

    /// What the node says it is; where it does not answer, what config says. Config alone makes nobody a serving primary.
    private static func role(_ member: MemberStatus) -> String {
        guard let replica = member.replica else {
            return member.isPrimary ? "primary, silent" : member.address == nil ? "" : "silent"
        }
        let words = word(replica.role) + (replica.role == .primary && !replica.leased ? ", no lease" : "")
        return replica.coordinated ? words : words + ", no ZooKeeper"
    }

    /// Entries that a store's log has not, of those that the primary's has.
    private static func lag(of member: MemberStatus, behind primaryEnd: UInt64?) -> String {
        if member.isPrimary { return "" }
        guard let end = primaryEnd, let replica = member.replica else { return "?" }
        return "\(end - min(end, replica.last.seq))"
    }

    private static func ring(_ ring: RingStatus) -> [String] {
        guard !ring.tokens.isEmpty else { return ["Ring: empty; keys are taken once a group has a primary"] }
        let head =
            "Ring: version \(ring.version), \(ring.sealed ? "sealed (groups that come now wait as pending)" : "open to new groups")"
        return [head] + align([["TOKEN", "GROUP"]] + ring.tokens.map { [hex($0.token), printable($0.group)] })
    }

    // MARK: Cells

    static func word(_ state: GroupStatus.State) -> String {
        switch state {
        case .forming: "forming"
        case .serving: "serving"
        case .electing: "electing"
        case .noPrimary: "no primary"
        case .pending: "pending"
        }
    }

    static func word(_ role: ReplicaStatus.Role) -> String {
        switch role {
        case .starting: "starting"
        case .learner: "learner"
        case .standby: "standby"
        case .takingOffice: "taking office"
        case .primary: "primary"
        }
    }

    /// Millionths as a percentage with one decimal, without floating point: "33.3 %".
    static func percent(_ millionths: UInt64) -> String {
        let tenths = (millionths + 500) / 1000
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private static func hex(_ token: UInt32) -> String {
        let digits = String(token, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Text that came from elsewhere: nothing of it moves the cursor.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? "?" : $0 }))
    }

    /// Columns two blanks apart; short rows are filled up.
    static func align(_ rows: [[String]]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) { line += cell + String(repeating: " ", count: width - cell.count + 2) }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
