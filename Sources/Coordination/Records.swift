import Machine
import Wire

// What the registration nodes hold. Each type reads bytes from outside (`init?(bytes)`: nil where they are not one) and
// writes the same text (`bytes`).

/// The content of `/server/[number]`: one life of a server.
public struct ServerRegistration: Hashable, Sendable {
    public var address: Address
    /// Made anew for every registration; tells the writer's node from a look-alike. Empty where the node has none.
    public var guid: String

    public init(address: Address, guid: String) {
        self.address = address
        self.guid = guid
    }

    public init?(_ bytes: [UInt8]) {
        do {
            let text = try RecordText(bytes)
            self.init(address: try text.address(), guid: String(decoding: try text.optional("guid") ?? [], as: UTF8.self))
        } catch {
            return nil
        }
    }

    public var bytes: [UInt8] { RecordText.bytes([address.description, "guid=\(guid)"]) }
}

/// The content of `/data/[group]/[number]`: one life of a store, as it was when the life registered.
public struct StoreRegistration: Hashable, Sendable {
    public var address: Address
    public var store: StoreID
    /// Whether the log holds everything that this store ever acknowledged: it was synced always, or closed cleanly, and is
    /// undamaged. Only a whole store may be elected in a later life than the one that was in-sync.
    public var whole: Bool
    /// The history that the log belongs to; nil for an empty or an imported one.
    public var lineage: Lineage?
    /// End of the log. An imported version-1 file has term 0 and a `seq` above 0.
    public var last: Position
    /// Whether the store holds any key.
    public var keys: Bool
    /// Made anew for every registration.
    public var guid: String

    public init(
        address: Address, store: StoreID, whole: Bool, lineage: Lineage?, last: Position, keys: Bool, guid: String
    ) {
        self.address = address
        self.store = store
        self.whole = whole
        self.lineage = lineage
        self.last = last
        self.keys = keys
        self.guid = guid
    }

    public init?(_ bytes: [UInt8]) {
        do {
            let text = try RecordText(bytes)
            guard let last = Position(try text.required("last")) else { return nil }
            let lineage = try text.optional("lineage") == nil ? nil : Lineage(try text.name("lineage"))
            self.init(
                address: try text.address(),
                store: StoreID(try text.name("store")),
                whole: try text.flag("whole"),
                lineage: lineage,
                last: last,
                keys: try text.flag("keys"),
                guid: String(decoding: try text.optional("guid") ?? [], as: UTF8.self)
            )
        } catch {
            return nil
        }
    }

    public var bytes: [UInt8] {
        var lines = [address.description, "store=\(store)", "whole=\(RecordText.text(whole))"]
        if let lineage { lines.append("lineage=\(lineage)") }
        lines += ["last=\(last)", "keys=\(RecordText.text(keys))", "guid=\(guid)"]
        return RecordText.bytes(lines)
    }

    /// Nothing was ever written here.
    public var isEmpty: Bool { lineage == nil && last == .zero && !keys }
    /// The log is a version-1 file that no group has taken over yet.
    public var isImported: Bool { lineage == nil && last.term == 0 && last.seq > 0 }
}

/// The content of `/server/0`: who is master.
public struct MasterRecord: Hashable, Sendable {
    public var address: Address
    /// The number under which this server is registered.
    public var number: UInt64
    /// The version that `/server/epoch` got when this master was elected: its fencing token.
    public var epoch: Int32

    public init(address: Address, number: UInt64, epoch: Int32) {
        self.address = address
        self.number = number
        self.epoch = epoch
    }

    public init?(_ bytes: [UInt8]) {
        do {
            let text = try RecordText(bytes)
            guard let epoch = Int32(exactly: try text.number("epoch")) else { return nil }
            self.init(address: try text.address(), number: try text.number("number"), epoch: epoch)
        } catch {
            return nil
        }
    }

    public var bytes: [UInt8] {
        RecordText.bytes([address.description, "number=\(number)", "epoch=\(epoch)"])
    }
}
