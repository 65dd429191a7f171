import AviaryProtos
import Synchronization

/// What `grpc.health.v1.Health` says: one state for the server as a whole, which every service of it shares.
final class HealthService: Sendable {
    private let serving = Atomic(false)

    /// True if that changed something.
    func setServing(_ value: Bool) -> Bool { serving.exchange(value, ordering: .sequentiallyConsistent) != value }

    /// The serialized answer about a service; nil where it is unknown.
    func status(of service: String) -> [UInt8]? {
        guard service.isEmpty || ReflectionService.shared.services.contains(service) else { return nil }
        return Self.response(serving.load(ordering: .sequentiallyConsistent) ? .serving : .notServing)
    }

    /// What a watch of an unknown service hears.
    static let serviceUnknown = response(.serviceUnknown)

    /// The service that a serialized request asks about.
    static func service(decoding bytes: UnsafeRawBufferPointer) throws(Malformed) -> String {
        guard let request = try? Grpc_Health_V1_HealthCheckRequest(serializedBytes: [UInt8](bytes)) else { throw Malformed() }
        return request.service
    }

    private static func response(_ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus) -> [UInt8] {
        HealthResponse(status: UInt64(status.rawValue)).encoded()
    }
}

private struct HealthResponse: ProtobufEncodable {
    var status: UInt64

    func encode(into sink: inout some ProtobufSink) { sink.field(1, status) }
}
