import Machine

// Fault model. A machine comes back with another disk: an empty one, or one with the files as they were at an earlier moment,
// as from a backup, or from a disk that was believed to be dead. Everything on it is durable.

/// The files of a disk at one moment, as reads saw them, damage included.
public struct DiskCopy: Hashable, Sendable {
    var files = SortedMap<FileName, FileImage>()

    /// Of an empty disk.
    public init() {}

    /// Whether there is any file.
    public var isEmpty: Bool { files.isEmpty }
}

extension DiskModel {
    /// A copy of the files as they are now, whatever of them is durable.
    public var copy: DiskCopy {
        var copy = DiskCopy()
        for (name, inode) in directory.entries where inodes[inode] != nil {
            copy.files[name] = inodes[inode]?.settled
        }
        return copy
    }

    /// Every file is gone. To be called between two lives.
    @usableFromInline mutating func lose() {
        exchange(for: DiskCopy(), .lost)
        marks.append(.diskLost)
    }

    /// The files are those of the copy. To be called between two lives.
    mutating func restore(_ copy: DiskCopy) {
        exchange(for: copy, .restored)
        marks.append(.diskRestored)
    }

    private mutating func exchange(for copy: DiskCopy, _ kind: Harm.Kind) {
        directory = Directory()
        inodes.removeAll()
        for (name, image) in copy.files {
            inodes[inodesMade] = image
            directory.change(.link(name, inode: inodesMade))
            inodesMade += 1
        }
        directory.sync()
        harms.append(Harm(kind: kind, file: nil, range: 0..<0, inode: -1))
    }
}
