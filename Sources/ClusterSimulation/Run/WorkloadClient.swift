import Machine
import Simulation
import Wire

/// A key of the workload.
struct WorkloadKey: Sendable {
    /// Several clients write it. What they saw is judged at the end; the history of a key with one writer also at once.
    let isShared: Bool
    var history: KeyHistory
    /// How many versions of a shared key were written.
    var versions = 0
    /// It was written in a history that its group has given up: nobody writes it any more, and what reads return of it is judged by the
    /// positions that they name.
    var isRetired = false
    /// The group that writes of it were made in.
    var group: String?

    var name: String { history.name }
    /// Whether it may be written.
    var isOpen: Bool { !isRetired && (isShared || history.isOpen) }
}

/// A client of the workload: one operation at a time, on its own keys and shared ones to write and on any key to read.
struct WorkloadClient: Sendable {
    struct Operation: Sendable {
        enum Kind: Hashable, Sendable {
            case put(version: Int), delete(version: Int), get(since: Int)
            case staleGet(atLeast: GroupPosition?)
            /// Outside the limits.
            case wrong

            var isRead: Bool {
                switch self {
                case .get, .staleGet: true
                case .put, .delete, .wrong: false
                }
            }
        }

        var call: CallID
        var key: Int
        var kind: Kind
        var began: Instant
        /// Whom it was sent to, where that was this client's choice.
        var process: Int?
        /// For the story.
        var text: String
        /// Of a mutation of a client session.
        var once: OnceMutation?

        /// Under which its history knows it: the first call that could have an effect.
        var recorded: CallID { once?.first ?? call }
    }

    let number: Int
    /// Its own keys at present, as indices of `ClusterRun.keys`; -1 where there is none yet.
    var keys: [Int] = []
    /// How many keys of its own it has had.
    var keysMade = 0
    var current: Operation?
    /// What a schedule wants of it; the next is `script[scripted]`.
    var script: [ClusterSchedule.Operation] = []
    var scripted = 0
    /// Plans to act of an earlier round are void.
    var round = 0
    /// Keys that it still has to read, in the audit.
    var audit: [Int] = []
    /// How often the audit's read of the present key has failed.
    var auditFailures = 0
    /// The data node that last answered it as the primary of a group, by the group's name.
    var answeredBy = LookupTable<String, Int>()
    /// The highest positions that answers have named to it, by group.
    var seen = LookupTable<String, GroupPosition>()
    /// Operations in a row that succeeded, since the healing. (Those that met a bound which may be met are passed over.)
    var successes = 0
    /// Its sessions, by the names of their groups, and which keys it knows to belong to which group.
    var sessions = SortedMap<String, ClientSession>()
    var groupOfKey = LookupTable<Int, String>()
    /// Mutations that are or were repeated after their answers.
    var answered: [AnsweredMutation] = []
    /// One of them is under way.
    var isRepeating = false

    mutating func saw(_ position: GroupPosition) {
        if position.seq > seen[position.group]?.seq ?? 0 { seen[position.group] = position }
    }

    mutating func forgetSessions() { sessions.removeAll() }
}

/// How the operations of clients ended.
public struct OperationCounts: Hashable, Sendable, Codable {
    public var succeeded = 0
    public var refused = 0
    public var unknown = 0

    public static func += (a: inout OperationCounts, b: OperationCounts) {
        a.succeeded += b.succeeded
        a.refused += b.refused
        a.unknown += b.unknown
    }
}
