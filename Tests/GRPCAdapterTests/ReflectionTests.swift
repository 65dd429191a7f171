import AviaryProtos
import Machine
import SwiftProtobuf
import Testing

@testable import GRPCAdapter

@Suite struct ReflectionTests {
    typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
    typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

    private func ask(_ requests: [Request], version: String = "v1") throws -> [Response] {
        let server = try TestServer()
        defer { server.shutDown() }
        let call = RawCall("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo", to: server.address)
        var responses: [Response] = []
        for request in requests {
            #expect(call.send(try request.serializedBytes()))
            guard let answer = call.receive() else { break }
            responses.append(try Response(serializedBytes: answer))
        }
        call.closeSending()
        #expect(call.receive() == nil)
        #expect(call.status().code == 0)
        return responses
    }

    private func request(_ kind: Request.OneOf_MessageRequest) -> Request {
        var request = Request()
        request.host = "h"
        request.messageRequest = kind
        return request
    }

    private func files(_ response: Response) throws -> [String] {
        try response.fileDescriptorResponse.fileDescriptorProto.map {
            try Google_Protobuf_FileDescriptorProto(serializedBytes: $0).name
        }
    }

    @Test(arguments: ["v1", "v1alpha"])
    func servicesAreListed(_ version: String) throws {
        let response = try ask([request(.listServices(""))], version: version)[0]
        #expect(
            response.listServicesResponse.service.map(\.name) == [
                "aviary.internal.v1.Peers", "aviary.v1.Cluster", "aviary.v1.KV", "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
            ])
        #expect(response.validHost == "h")
        #expect(response.originalRequest == request(.listServices("")))
    }

    @Test func filesAreFoundByNameAndBySymbolWithAllTheyImport() throws {
        let responses = try ask([
            request(.fileByFilename("aviary/v1/kv.proto")),
            request(.fileByFilename("aviary/internal/v1/peer.proto")),
            request(.fileContainingSymbol("aviary.v1.KV")),
            request(.fileContainingSymbol("aviary.v1.KV.Put")),
            request(.fileContainingSymbol("aviary.v1.Ring.Token")),
            request(.fileContainingSymbol("aviary.v1.Replica.Role")),
        ])
        #expect(
            try responses.map(files) == [
                ["aviary/v1/kv.proto"],
                ["aviary/internal/v1/peer.proto", "aviary/v1/cluster.proto", "aviary/v1/kv.proto"],
                ["aviary/v1/kv.proto"],
                ["aviary/v1/kv.proto"],
                ["aviary/v1/cluster.proto"],
                ["aviary/v1/cluster.proto"],
            ])
    }

    @Test func whatIsNotKnownIsAnErrorAndTheStreamGoesOn() throws {
        let responses = try ask([
            request(.fileByFilename("no/such.proto")),
            request(.fileContainingSymbol("no.such.Symbol")),
            request(.allExtensionNumbersOfType("no.such.Type")),
            request(.fileContainingExtension(.init())),
            Request(),
            request(.allExtensionNumbersOfType("aviary.v1.PutRequest")),
        ])
        #expect(responses.map(\.errorResponse.errorCode) == [5, 5, 5, 5, 3, 0])
    }

    @Test func everyMethodOfTheServerIsDescribed() {
        let reflection = ReflectionService.shared
        for method in UnaryMethod.allCases {
            #expect(reflection.services.contains { method.path.hasPrefix("/\($0)/") })
        }
    }

    @Test func whatIsNotARequestEndsTheStream() throws {
        let server = try TestServer()
        defer { server.shutDown() }
        let refused = RawCall.unary("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", to: server.address, [0xFF])
        #expect(refused.status.code == 3)
    }
}
