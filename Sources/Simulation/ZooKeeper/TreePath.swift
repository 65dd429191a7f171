/// A znode's path, taken apart: once for a transaction, which every server applies and looks for watches of.
struct TreePath: Hashable, Sendable {
    let text: String
    /// `/` for the children of the root, and for the root itself.
    let parent: String
    /// What the parent calls it.
    let name: String
    /// Under which `PathTable` knows it and its parent.
    let hash: UInt64
    let parentHash: UInt64

    init(_ text: String) {
        self.text = text
        (parent, name) = Self.split(text)
        hash = PathTable<Int>.hash(text)
        parentHash = PathTable<Int>.hash(parent)
    }

    /// The parent's path and the last name of a path that is not the root's.
    private static func split(_ path: String) -> (parent: String, name: String) {
        let parts = path.utf8.withContiguousStorageIfAvailable { bytes -> (String, String)? in
            guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            return (
                slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self),
                String(decoding: bytes[(slash + 1)...], as: UTF8.self)
            )
        }
        return (parts ?? nil) ?? ("/", path)
    }
}
