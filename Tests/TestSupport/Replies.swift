import Wire

// Answers as a node gives them, where a test does not care from which state.
extension ClientReply {
    public static var anyPosition: GroupPosition { GroupPosition(group: "birds", lineage: Lineage("l"), seq: 7) }
    public static var put: ClientReply { .done(.put, at: anyPosition) }
    public static func value(_ value: [UInt8]?) -> ClientReply { .done(.value(value), at: anyPosition) }
    public static func deleted(existed: Bool) -> ClientReply { .done(.deleted(existed: existed), at: anyPosition) }
}
