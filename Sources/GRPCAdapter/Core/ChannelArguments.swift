import CGRPCShims
import Glibc

/// Settings of a channel or a server, by C-core's own names (`grpc_types.h` describes each).
struct ChannelArguments {
    private var integers: [(key: String, value: Int32)] = []

    mutating func set(_ key: String, _ value: Int) { integers.append((key, Int32(clamping: value))) }

    /// What both sides set.
    static var common: ChannelArguments {
        var arguments = ChannelArguments()
        // No compression: values are opaque, and an unpacked message could be any number of times as large as what was
        // received.
        arguments.set(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1)
        arguments.set(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0)
        arguments.set(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0)
        // Nobody reads these statistics, and they cost a lock per call.
        arguments.set(GRPC_ARG_ENABLE_CHANNELZ, 0)
        return arguments
    }

    /// What every outgoing channel sets.
    static var outgoing: ChannelArguments {
        var arguments = common
        // A socket of its own, so that channels of one process to one address fail one by one.
        arguments.set(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1)
        // Whoever calls decides what may be sent twice.
        arguments.set(GRPC_ARG_ENABLE_RETRIES, 0)
        arguments.set(GRPC_ARG_ENABLE_HTTP_PROXY, 0)
        arguments.set(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1)
        arguments.set(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1_000)
        // Long enough for a large value over a slow line, short enough to find another server. C-core gives a
        // connection attempt this long (its default is 20 s) whatever its name says.
        arguments.set(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1_000)
        arguments.set(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100)
        arguments.set(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1_000)
        arguments.set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1)
        arguments.set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
        return arguments
    }

    /// Calls `body` with the arguments as C-core takes them; they are good until it returns.
    func withArguments<Result>(_ body: (UnsafePointer<grpc_channel_args>) -> Result) -> Result {
        let keys = integers.map { strdup($0.key) }
        defer { for key in keys { free(key) } }
        var arguments = zip(keys, integers).map { key, integer in
            grpc_arg(type: GRPC_ARG_INTEGER, key: key, value: grpc_arg_value(integer: integer.value))
        }
        return arguments.withUnsafeMutableBufferPointer { buffer in
            var list = grpc_channel_args(num_args: buffer.count, args: buffer.baseAddress)
            return body(&list)
        }
    }
}
