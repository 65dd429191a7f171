import Machine

/// What the contract of `DiskOperation` says, and nothing more: operations take effect in the order of the requests, and
/// nothing ever fails but what asks for a file that is not there.
struct PlainDisk {
    /// What may come back of an operation.
    enum Expectation: Equatable {
        case exactly(Outcome)
        /// A read of a file to which later requests append, which may have been performed before it: at least the first, or
        /// nil where the file was not there, at most the second.
        case between([UInt8]?, [UInt8])
        /// A sync of a file that a later request creates, which may have been performed before it.
        case missingOrDone

        func admits(_ outcome: Outcome) -> Bool {
            switch (self, outcome) {
            case (.exactly(let expected), _): outcome == expected
            case (.between(let least, let most), .data(let bytes)):
                bytes.starts(with: least ?? []) && most.starts(with: bytes)
            case (.between(nil, _), .failed(.notFound)): true
            case (.between, _): false
            case (.missingOrDone, _): outcome == .done || outcome == .failed(.notFound)
            }
        }
    }

    /// A result without its words, which are the system's.
    enum Outcome: Equatable {
        case done
        case data([UInt8])
        case listing([FileEntry])
        case failed(DiskError.Code)

        init(_ result: DiskResult) {
            switch result {
            case .done: self = .done
            case .data(let bytes): self = .data(bytes)
            case .listing(let entries): self = .listing(entries)
            case .failed(let error): self = .failed(error.code)
            }
        }
    }

    private(set) var files = SortedMap<FileName, [UInt8]>()

    /// What comes of requests that are made together.
    mutating func perform(_ operations: [DiskOperation]) -> [Expectation] {
        operations.enumerated().map { index, operation in
            let later = operations[(index + 1)...]
            switch operation {
            case .read(let file, let offset, let length):
                func piece(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.dropFirst(Int(offset)).prefix(length)) }
                let bytes = files[file]
                let more = appended(to: file, in: later)
                guard let most = more.map({ (bytes ?? []) + $0 }) else {
                    return .exactly(bytes.map { .data(piece($0)) } ?? .failed(.notFound))
                }
                return .between(bytes.map(piece), piece(most))
            case .sync(let file) where files[file] == nil && appended(to: file, in: later) != nil: return .missingOrDone
            case .lock, .list, .append, .sync, .truncate, .rename, .remove, .syncDirectory:
                return .exactly(perform(operation))
            }
        }
    }

    /// What later requests append before one of them waits for everything before it; nil where none does.
    private func appended(to file: FileName, in operations: ArraySlice<DiskOperation>) -> [UInt8]? {
        var bytes: [UInt8]?
        for operation in operations {
            switch operation {
            case .append(file, let more): bytes = (bytes ?? []) + more
            case .append, .sync, .read, .lock, .list, .syncDirectory: continue
            case .truncate, .rename, .remove: return bytes
            }
        }
        return bytes
    }

    private mutating func perform(_ operation: DiskOperation) -> Outcome {
        switch operation {
        case .lock, .syncDirectory: return .done
        case .list: return .listing(files.map { FileEntry(file: $0, size: Int64($1.count)) })
        case .append(let file, let bytes):
            files[file] = (files[file] ?? []) + bytes
            return .done
        case .sync(let file): return files[file] == nil ? .failed(.notFound) : .done
        case .read: return .failed(.notFound)
        case .truncate(let file, let size):
            guard let bytes = files[file] else { return .failed(.notFound) }
            files[file] = Array(bytes.prefix(Int(size))) + Array(repeating: 0, count: max(0, Int(size) - bytes.count))
            return .done
        case .rename(let file, let other):
            guard let bytes = files[file] else { return .failed(.notFound) }
            files[file] = nil
            files[other] = bytes
            return .done
        case .remove(let file):
            guard files[file] != nil else { return .failed(.notFound) }
            files[file] = nil
            return .done
        }
    }
}
