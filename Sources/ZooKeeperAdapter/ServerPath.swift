/// Paths of znodes.
enum ServerPath {
    /// Why ZooKeeper would not take this as a path, as the end of a sentence; nil where it would.
    ///
    /// The rules are those of `PathUtils.validatePath` in ZooKeeper 3.8. They are applied here, before the C library sees the
    /// path: it cuts a path at a NUL character, and a bad path inside a transaction makes it free memory that is not its own.
    static func fault(in path: String) -> String? {
        guard path.utf8.first == UInt8(ascii: "/") else { return "does not begin with a slash" }
        if path.utf8.count == 1 { return nil }
        for component in path.unicodeScalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            if component.isEmpty { return "has an empty part" }
            if component.elementsEqual(".".unicodeScalars) || component.elementsEqual("..".unicodeScalars) {
                return "has a relative part"
            }
            if component.contains(where: isForbidden) { return "has a character that ZooKeeper does not allow" }
        }
        return nil
    }

    private static func isForbidden(_ character: Unicode.Scalar) -> Bool {
        switch character.value {
        // A server sees what is beyond 16 bits as two surrogates, which it does not allow.
        case 0x00...0x1F, 0x7F...0x9F, 0xD800...0xF8FF, 0xFFF0...: true
        case _: false
        }
    }
}
