import Machine

// What a log shows by itself to have been on the medium: how far damage may reach without passing for a write that a crash tore.
//
// A record says in its closing line how far the log was synced when it was written, and a `%closed` line says so of everything. Such a
// word counts where its record's checksum is right. It goes on from the one that is written at the end of the line before the record,
// so a record can be checked though much before it is wrong. That is also how the store itself proves damage, and neither damage nor a
// torn tail has right checksums: what a crash left of records that were never synced vouches for nothing.

extension LogImage {
    /// How many bytes a file shows to have been on the medium, however much is wrong among them. The record before the one that
    /// says so is left out, because the checksum goes on from there.
    static func vouched(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { vouched($0) } }

    private static func vouched(_ bytes: UnsafeRawBufferPointer) -> Int {
        var vouched = 0
        /// Where right records end, by their numbers.
        var ends: [(seq: UInt64, end: Int)] = []
        /// Where the line begins that is being read, and the two before it.
        var lines = (0, 0, 0)
        /// Where the record before begins.
        var before = 0
        for newline in bytes.indices where bytes[newline] == UInt8(ascii: "\n") {
            let (start, end) = (lines.2, newline + 1)
            defer { lines = (lines.1, lines.2, end) }
            let record: Int
            switch bytes[start] {
            case UInt8(ascii: "#"): record = lines.0
            case UInt8(ascii: "%"): record = start
            default: continue
            }
            defer { before = record }
            guard isRight(bytes, record..<end) else { continue }
            let words = bytes[start..<newline].split(separator: UInt8(ascii: " "))
            if words[0].elementsEqual("%closed".utf8) { vouched = max(vouched, before) }
            guard entryWords.contains(where: { words[0].elementsEqual($0.utf8) }), words.count >= 6,
                let seq = number(words[2]), let durable = number(words[4])
            else { continue }
            vouched = max(vouched, min(ends.last { $0.seq <= durable }?.end ?? 0, before))
            ends.append((seq, end))
        }
        return vouched
    }

    /// With what the last lines of entries begin.
    private static let entryWords = ["#", "%term", "%session", "%forget"]

    /// Eight digits and a newline.
    private static let checksumLine = 9

    /// Whether a record that ends with a newline has the checksum that it says. The first one of a file goes on from 0.
    private static func isRight(_ bytes: UnsafeRawBufferPointer, _ record: Range<Int>) -> Bool {
        guard record.count > checksumLine else { return false }
        let body = record.lowerBound..<record.upperBound - checksumLine
        guard let written = checksum(bytes, before: record.upperBound),
            let chain = record.lowerBound == 0 ? 0 : checksum(bytes, before: record.lowerBound)
        else { return false }
        return CRC32.castagnoli.extend(chain, with: UnsafeRawBufferPointer(rebasing: bytes[body])) == written
    }

    /// The eight digits that end the line before a place.
    private static func checksum(_ bytes: UnsafeRawBufferPointer, before place: Int) -> UInt32? {
        guard place >= checksumLine else { return nil }
        var value: UInt32 = 0
        for byte in bytes[place - checksumLine..<place - 1] {
            switch byte {
            case 48...57: value = value << 4 | UInt32(byte - 48)
            case 97...102: value = value << 4 | UInt32(byte - 87)
            default: return nil
            }
        }
        return value
    }
}
