/// Values by numbers that are given in order, each once: what is asked for by number, and gone before long.
///
/// A window over the numbers that slides on as the oldest values go; as fast as an array, where a hash table would hash.
public struct SerialTable<Value> {
    @usableFromInline var window = Queue<Value?>()
    /// The number of the window's first place. The first number is 1.
    @usableFromInline var start: UInt64 = 1

    @inlinable public init() {}

    /// Keeps a value under the next number, and returns the number.
    @inlinable public mutating func add(_ value: consuming Value) -> UInt64 {
        window.append(value)
        return start + UInt64(window.count) - 1
    }

    @inlinable func place(_ number: UInt64) -> Int? {
        guard number >= start, number - start < UInt64(window.count) else { return nil }
        return Int(number - start)
    }

    /// The value under a number; nil where it was taken, or the number was never given.
    @inlinable public subscript(number: UInt64) -> Value? {
        guard let place = place(number) else { return nil }
        return window[place]
    }

    /// Looks at a value in its place, if it is there: to read it through the subscript copies the whole of it.
    @inlinable public mutating func look<Answer>(at number: UInt64, _ look: (inout Value) -> Answer) -> Answer? {
        guard let place = place(number) else { return nil }
        return window.look(at: place) { $0 == nil ? nil : look(&$0!) }
    }

    /// Changes a value in place, if it is there.
    @inlinable public mutating func update(_ number: UInt64, _ body: (inout Value) -> Void) {
        guard let place = place(number), window[place] != nil else { return }
        body(&window[place]!)
    }

    @inlinable public mutating func take(_ number: UInt64) -> Value? {
        guard let place = place(number) else { return nil }
        let value = window[place].take()
        while window.count > 0, window.look(at: 0, { $0 == nil }) {
            _ = window.popFirst()
            start += 1
        }
        return value
    }
}

extension SerialTable: Sendable where Value: Sendable {}
