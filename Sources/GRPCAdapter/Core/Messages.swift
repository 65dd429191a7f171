import CGRPCShims

typealias MessagePointer = UnsafeMutablePointer<grpc_byte_buffer>

/// A message in C-core's memory, written in place. Release with `grpc_byte_buffer_destroy`.
func makeMessage(_ value: some ProtobufEncodable) -> MessagePointer {
    let size = ProtobufSizer.size(of: value)
    var start: UnsafeMutablePointer<UInt8>?
    let message = aviary_message_create(size, &start)!
    var writer = ProtobufWriter(UnsafeMutableBufferPointer(start: start, count: size))
    value.encode(into: &writer)
    precondition(writer.isFull, "a message is smaller than its measured size")
    return message
}

func makeMessage(_ bytes: [UInt8]) -> MessagePointer {
    var start: UnsafeMutablePointer<UInt8>?
    let message = aviary_message_create(bytes.count, &start)!
    bytes.withUnsafeBytes {
        if let from = $0.baseAddress { UnsafeMutableRawPointer(start!).copyMemory(from: from, byteCount: $0.count) }
    }
    return message
}

/// Part of a message, written in place. Release with `grpc_slice_unref`.
func makeSlice(_ value: some ProtobufEncodable) -> grpc_slice {
    let size = ProtobufSizer.size(of: value)
    var slice = aviary_slice_create(size)
    var writer = ProtobufWriter(UnsafeMutableBufferPointer(start: aviary_slice_start(&slice), count: size))
    value.encode(into: &writer)
    precondition(writer.isFull, "a message is smaller than its measured size")
    return slice
}

func makeSlice(_ text: String) -> grpc_slice {
    var text = text
    return text.withUTF8 { utf8 in
        utf8.withMemoryRebound(to: CChar.self) { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
    }
}

/// Calls `body` with a received message's bytes, which are good until it returns.
func withContents<Result, Failure: Error>(
    of message: MessagePointer, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
    var slice = aviary_message_contents(message)
    defer { grpc_slice_unref(slice) }
    return try body(UnsafeRawBufferPointer(start: aviary_slice_start(&slice), count: aviary_slice_length(slice)))
}

extension String {
    /// The slice's bytes as text; what is not UTF-8 is replaced.
    init(_ slice: grpc_slice) {
        var slice = slice
        self.init(
            decoding: UnsafeBufferPointer(start: aviary_slice_start(&slice), count: aviary_slice_length(slice)), as: UTF8.self)
    }
}

extension grpc_metadata_array {
    /// The value of the first element with this key.
    func value(of key: String) -> String? {
        for i in 0..<count where String(metadata[i].key) == key { return String(metadata[i].value) }
        return nil
    }
}

extension aviary_client_call {
    /// Gives back what a unary call holds, once its batch came back.
    mutating func release() {
        grpc_byte_buffer_destroy(request)
        if let response { grpc_byte_buffer_destroy(response) }
        grpc_metadata_array_destroy(&initial_metadata)
        grpc_metadata_array_destroy(&trailing_metadata)
        grpc_slice_unref(details)
        grpc_call_unref(call)
        self = aviary_client_call()
    }
}
