// The vocabulary of the disk neighbour: one folder's worth of files that belong to one store.

/// A file of the store by its role, not its path: the driver maps it (`log` is `dbfile`, `rollback` is `rbfile`).
public struct FileName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var name: String
    public init(_ name: String) { self.name = name }
    public var description: String { name }
    public static func < (a: FileName, b: FileName) -> Bool { a.name < b.name }

    public static let log = FileName("log")
    public static let rollback = FileName("rollback")

    /// A log that was put aside and is never read again. The driver keeps it beside the log, under that log's path with this name
    /// behind it.
    public static func aside(_ what: String) -> FileName { FileName(asidePrefix + what) }
    public var isAside: Bool { name.hasPrefix(Self.asidePrefix) }
    private static let asidePrefix = "aside-"
}

/// A disk request as the machine numbers it; the completion echoes it.
public struct DiskID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: DiskID, b: DiskID) -> Bool { a.number < b.number }
}

public struct DiskRequest: Hashable, Sendable {
    public var id: DiskID
    public var operation: DiskOperation
    public init(id: DiskID, operation: DiskOperation) {
        self.id = id
        self.operation = operation
    }
}

/// Everything but `read` is performed in the order of the requests. A `read` may overtake a `sync`, and sees every append
/// that was requested before it.
///
/// An append may take effect before an earlier sync or read has ended: the sync then covers it, too, the read sees it, and
/// both find the file that it creates.
public enum DiskOperation: Hashable, Sendable {
    /// Takes the store for this process alone; fails with `locked` where another has it. Held until the life ends.
    case lock
    /// The store's files that exist, with their sizes.
    case list
    /// Writes at the end; creates the file where there is none. A failure leaves an unknown part of the bytes written.
    case append(FileName, [UInt8])
    /// Makes the file's bytes durable (not its directory entry). After a failure nothing is known of the bytes written since
    /// the last success, now or later.
    case sync(FileName)
    /// Up to `length` bytes from `offset`; shorter at the end of the file.
    indirect case read(FileName, offset: Int64, length: Int)
    case truncate(FileName, size: Int64)
    indirect case rename(FileName, to: FileName)
    case remove(FileName)
    /// Makes creations, renames and removals durable.
    case syncDirectory
}

public struct DiskCompletion: Hashable, Sendable {
    public var id: DiskID
    public var result: DiskResult
    public init(id: DiskID, result: DiskResult) {
        self.id = id
        self.result = result
    }
}

public enum DiskResult: Hashable, Sendable {
    case done
    case data([UInt8])
    case listing([FileEntry])
    indirect case failed(DiskError)
}

public struct FileEntry: Hashable, Sendable {
    public var file: FileName
    public var size: Int64
    public init(file: FileName, size: Int64) {
        self.file = file
        self.size = size
    }
}

public struct DiskError: Error, Hashable, Sendable {
    public enum Code: Hashable, Sendable {
        case notFound, locked, permission, noSpace, readOnly, inputOutput, other
    }
    public var code: Code
    /// The real path and the system's own words, for the operator.
    public var detail: String
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}
