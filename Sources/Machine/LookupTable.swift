/// A hash table that can be asked but not iterated.
///
/// Equal dictionaries iterate in different orders even within one process, so a loop over one in node logic would make
/// runs irreproducible. Pure targets use this type for lookups and ordered structures for everything that is walked;
/// it has no `Sequence` conformance, so the compiler keeps the rule.
public struct LookupTable<Key: Hashable, Value> {
    @usableFromInline var storage: [Key: Value]

    @inlinable public init() { storage = [:] }

    @inlinable public var count: Int { storage.count }
    @inlinable public var isEmpty: Bool { storage.isEmpty }

    @inlinable public subscript(key: Key) -> Value? {
        get { storage[key] }
        _modify { yield &storage[key] }
        set { storage[key] = newValue }
    }

    /// Changes the value of `key` in place; does nothing and returns nil where there is none. Cheaper than through the subscript,
    /// which takes the value out and puts it back.
    @discardableResult
    @inlinable public mutating func update<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        guard let index = storage.index(forKey: key) else { return nil }
        return body(&storage.values[index])
    }

    @inlinable @discardableResult public mutating func removeValue(forKey key: Key) -> Value? {
        storage.removeValue(forKey: key)
    }

    @inlinable public mutating func removeAll() { storage.removeAll() }
}

extension LookupTable: Sendable where Key: Sendable, Value: Sendable {}
extension LookupTable: Equatable where Value: Equatable {}

/// A map that is walked in the order of its keys. For small collections (groups, peers, calls of one batch): insertion
/// and removal are O(n), lookup O(log n).
public struct SortedMap<Key: Comparable, Value> {
    @usableFromInline var sortedKeys: [Key] = []
    @usableFromInline var storedValues: [Value] = []

    @inlinable public var keys: [Key] { sortedKeys }
    /// In the order of their keys.
    @inlinable public var values: [Value] { storedValues }

    @inlinable public init() {}

    @inlinable public var count: Int { keys.count }
    @inlinable public var isEmpty: Bool { keys.isEmpty }

    @inlinable func position(of key: Key) -> (index: Int, found: Bool) {
        var low = 0
        var high = sortedKeys.count
        while low < high {
            let middle = (low + high) / 2
            if sortedKeys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return (low, low < sortedKeys.count && sortedKeys[low] == key)
    }

    /// Where `key` is among `keys`; nil where it is not. For looking at a large value in its place, as `values[index]`.
    @inlinable public func index(of key: Key) -> Int? {
        let (index, found) = position(of: key)
        return found ? index : nil
    }

    @inlinable public func contains(_ key: Key) -> Bool { position(of: key).found }

    @inlinable public subscript(key: Key) -> Value? {
        get {
            let (index, found) = position(of: key)
            return found ? storedValues[index] : nil
        }
        set {
            let (index, found) = position(of: key)
            switch (found, newValue) {
            case (true, let value?): storedValues[index] = value
            case (true, nil):
                sortedKeys.remove(at: index)
                storedValues.remove(at: index)
            case (false, let value?):
                sortedKeys.insert(key, at: index)
                storedValues.insert(value, at: index)
            case (false, nil): break
            }
        }
    }

    /// Changes the value of `key` in place; does nothing and returns nil where there is none.
    @discardableResult
    @inlinable public mutating func update<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        let (index, found) = position(of: key)
        return found ? body(&storedValues[index]) : nil
    }

    /// Changes the value at a position of `keys` in place.
    @inlinable public mutating func update<Result>(at index: Int, _ body: (inout Value) -> Result) -> Result {
        body(&storedValues[index])
    }

    @inlinable public mutating func removeAll() {
        sortedKeys.removeAll()
        storedValues.removeAll()
    }
}

extension SortedMap: Sequence {
    @inlinable public func makeIterator() -> Zip2Sequence<[Key], [Value]>.Iterator { zip(keys, values).makeIterator() }
}
extension SortedMap: Sendable where Key: Sendable, Value: Sendable {}
extension SortedMap: Equatable where Value: Equatable {}
extension SortedMap: Hashable where Key: Hashable, Value: Hashable {}
