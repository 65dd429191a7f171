import CGRPCShims
import Wire

/// How the server ends a call.
///
/// Every failure carries the trailing metadata `aviary-outcome`, which says whether the request may have been executed.
/// A status without it was made by gRPC itself, somewhere on the way, and a client must not conclude anything certain
/// from UNAVAILABLE. `aviary-redirect` names the right node, where this one is not and knows it.
struct CallStatus: Hashable {
    var code: grpc_status_code
    var message: String
    var metadata: [Metadata]

    struct Metadata: Hashable {
        var key: String
        var value: String
    }

    static let outcomeKey = "aviary-outcome"
    static let redirectKey = "aviary-redirect"
    static let notExecuted = "not-executed"
    static let unknown = "unknown"

    static let ok = CallStatus(code: GRPC_STATUS_OK, message: "", metadata: [])

    /// An end that is the server's own doing, before any node has seen the request.
    static func refused(_ code: grpc_status_code, _ message: String) -> CallStatus {
        CallStatus(code: code, message: message, metadata: [Metadata(key: outcomeKey, value: notExecuted)])
    }

    /// Longest message, in bytes: it travels in a header, and headers of 8 KiB are refused.
    private static let messageBytes = 2_048

    init(_ error: ClientError) {
        code = grpc_status_code(Int32(error.code.rawValue))
        message = String(decoding: error.message.utf8.prefix(Self.messageBytes), as: UTF8.self)
        metadata = [Metadata(key: Self.outcomeKey, value: error.mayHaveHappened ? Self.unknown : Self.notExecuted)]
        if let redirect = error.redirect { metadata.append(Metadata(key: Self.redirectKey, value: redirect.description)) }
    }

    private init(code: grpc_status_code, message: String, metadata: [Metadata]) {
        self.code = code
        self.message = message
        self.metadata = metadata
    }
}

extension aviary_status {
    /// Takes memory for the status; `release` gives it back.
    init(_ status: CallStatus) {
        self.init()
        code = status.code
        details = makeSlice(status.message)
        for element in status.metadata {
            let value = makeSlice(element.value)
            // A host name can hold anything; gRPC refuses a batch with a header that HTTP cannot carry.
            guard grpc_header_nonbin_value_is_legal(value) != 0 else {
                grpc_slice_unref(value)
                continue
            }
            let added = grpc_metadata(key: makeSlice(element.key), value: value, internal_data: .init())
            if metadata_count == 0 { metadata.0 = added } else { metadata.1 = added }
            metadata_count += 1
        }
    }

    mutating func release() {
        grpc_slice_unref(details)
        if metadata_count > 0 {
            grpc_slice_unref(metadata.0.key)
            grpc_slice_unref(metadata.0.value)
        }
        if metadata_count > 1 {
            grpc_slice_unref(metadata.1.key)
            grpc_slice_unref(metadata.1.value)
        }
        self = aviary_status()
    }
}
