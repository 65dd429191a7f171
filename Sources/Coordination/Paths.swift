import Wire

/// Where everything is in ZooKeeper. `docs/zookeeper-layout.md` describes what each node holds.
public enum Paths {
    public static let server = "/server"
    /// Parent of the lock that servers register and elect under.
    public static let serverLock = "/server/lock"
    /// The next server's number, as decimal text.
    public static let serverTop = "/server/top"
    /// The master's epoch; the version of this node fences every write of a master.
    public static let serverEpoch = "/server/epoch"
    /// The master, ephemeral.
    public static let master = "/server/0"
    public static let data = "/data"
    /// Parent of the lock that stores register under; the reason why no group may be called `lock`.
    public static let dataLock = "/data/lock"
    public static let ring = "/ring"

    public static func server(_ number: UInt64) -> String { "/server/\(number)" }

    public static func group(_ group: String) -> String { "/data/\(group)" }
    public static func top(ofGroup group: String) -> String { "/data/\(group)/top" }
    public static func primary(ofGroup group: String) -> String { "/data/\(group)/primary" }
    public static func config(ofGroup group: String) -> String { "/data/\(group)/config" }
    /// The record of an operator's recovery, which began this term.
    public static func recovery(_ term: UInt64, ofGroup group: String) -> String { "/data/\(group)/recovery-\(term)" }
    /// Parent of the nodes of the group's stores.
    public static func stores(ofGroup group: String) -> String { "/data/\(group)/stores" }
    /// The nonce of a store's last registration.
    public static func store(_ store: StoreID, ofGroup group: String) -> String { "/data/\(group)/stores/\(store)" }
    /// The address of the process that holds the store, ephemeral.
    public static func live(_ store: StoreID, ofGroup group: String) -> String { "/data/\(group)/stores/\(store)/live" }
    public static func member(_ number: UInt64, ofGroup group: String) -> String { "/data/\(group)/\(number)" }
}

/// The names that a group may have.
public enum GroupName {
    public static let longest = 64

    /// nil where the name is good, else one clear line that says what is wrong with it.
    public static func problem(_ name: String) -> String? {
        if name == "lock" { return "a group cannot be called \"lock\": ZooKeeper's /data/lock is where stores register" }
        if name == "." || name == ".." { return "a group cannot be called \"\(name)\": ZooKeeper does not allow it" }
        if isPlainName(name) { return nil }
        return "a group's name has 1 to \(longest) characters out of A-Z a-z 0-9 . _ - , which \"\(shortened(name))\" has not"
    }

    /// Whether the text is 1 to 64 characters out of `[A-Za-z0-9._-]`; the rule for stores and lineages too.
    static func isPlainName(_ text: String) -> Bool { isPlainName(Array(text.utf8)[...]) }

    static func isPlainName(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= longest else { return false }
        return bytes.withUnsafeBytes { $0.allSatisfy(isPlain) }
    }

    // The characters of such a name as bits: those below 64, and those from there on.
    private static let lowerPlain: UInt64 = 1 << 45 | 1 << 46 | 0x3FF << 48
    private static let upperPlain: UInt64 = 0x3FF_FFFF << 1 | 1 << 31 | 0x3FF_FFFF << 33

    @inline(__always) private static func isPlain(_ byte: UInt8) -> Bool {
        byte < 128 && (byte < 64 ? lowerPlain : upperPlain) >> UInt64(byte & 63) & 1 == 1
    }

    /// What fits into one line of a log.
    private static func shortened(_ name: String) -> String {
        var line = ""
        for scalar in name.unicodeScalars.prefix(80) { line += scalar.isASCII && scalar.value >= 32 ? String(scalar) : "?" }
        return line
    }
}
