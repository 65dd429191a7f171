/// A key as a person presses it.
enum Key: Equatable {
    case character(Character)
    case enter, tab, backspace, delete
    case left, right, up, down, home, end
    case wordLeft, wordRight
    /// Control with a lower-case letter.
    case control(Character)
}

/// Makes keys of the bytes that a terminal sends: UTF-8, control bytes, and the escape sequences of xterm and its kin.
///
/// Bytes arrive in pieces; what is unknown or malformed is swallowed, never shown as rubbish.
struct KeyDecoder {
    private enum State {
        case ground
        case escape
        /// After `ESC [` or `ESC O`: the parameter bytes so far.
        case sequence([UInt8])
        /// Within a UTF-8 sequence: its bytes so far, and how many are missing.
        case character([UInt8], missing: Int)
    }

    private var state = State.ground

    /// Takes one byte; returns the key that it completes.
    mutating func feed(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .escape:
            state = .ground
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "O"):
                state = .sequence([])
                return nil
            case UInt8(ascii: "b"): return .wordLeft
            case UInt8(ascii: "f"): return .wordRight
            case 27:
                state = .escape
                return nil
            default: return nil
            }
        case .sequence(let parameters):
            // Parameters and intermediates go on until a final byte (ECMA-48).
            if (0x20...0x3F).contains(byte), parameters.count < 16 {
                state = .sequence(parameters + [byte])
                return nil
            }
            state = .ground
            return Self.key(final: byte, parameters: parameters)
        case .character(let bytes, let missing):
            guard byte & 0xC0 == 0x80 else {
                state = .ground
                return ground(byte)
            }
            guard missing == 1 else {
                state = .character(bytes + [byte], missing: missing - 1)
                return nil
            }
            state = .ground
            return String(validating: bytes + [byte], as: UTF8.self)?.first.map(Key.character)
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        switch byte {
        case 27:
            state = .escape
            return nil
        case 9: return .tab
        case 10, 13: return .enter
        case 8, 127: return .backspace
        case 1...26: return .control(Character(Unicode.Scalar(byte + 96)))
        case 0...31: return nil
        case 0xC2...0xDF:
            state = .character([byte], missing: 1)
            return nil
        case 0xE0...0xEF:
            state = .character([byte], missing: 2)
            return nil
        case 0xF0...0xF4:
            state = .character([byte], missing: 3)
            return nil
        case 32...126: return .character(Character(Unicode.Scalar(byte)))
        default: return nil
        }
    }

    private static func key(final: UInt8, parameters: [UInt8]) -> Key? {
        let numbers = String(decoding: parameters, as: UTF8.self).split(separator: ";", omittingEmptySubsequences: false).map {
            Int($0)
        }
        let modified = numbers.count > 1
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return modified ? .wordRight : .right
        case UInt8(ascii: "D"): return modified ? .wordLeft : .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "~"):
            switch numbers.first {
            case 1, 7: return .home
            case 4, 8: return .end
            case 3: return .delete
            default: return nil
            }
        default: return nil
        }
    }
}
