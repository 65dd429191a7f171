/// A value behind a reference that nobody can write through: copies of a state share the parts in which they are equal.
public struct Shared<Value: Sendable>: Sendable {
    private final class Storage: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    private var storage: Storage

    public init(_ value: Value) { storage = Storage(value) }

    public var value: Value { storage.value }

    public mutating func update<Result>(_ body: (inout Value) -> Result) -> Result {
        var value = storage.value
        let result = body(&value)
        storage = Storage(value)
        return result
    }
}
