import AviaryProtos
import CGRPCShims
import Foundation
import SwiftProtobuf

/// What `grpc.reflection` answers: which services there are, and the proto files that describe them.
final class ReflectionService: Sendable {
    static let shared = ReflectionService()

    /// The full names of all services, in order.
    let services: [String]

    private struct File {
        var serialized: Data
        var imports: [String]
    }

    private let files: [String: File]
    /// The file that declares each message, enum, service and method.
    private let declarations: [String: String]

    private init() {
        var files: [String: File] = [:]
        var declarations: [String: String] = [:]
        var services: [String] = []
        for (name, base64) in FileDescriptors.base64 {
            guard let bytes = Data(base64Encoded: base64),
                let file = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes).file.first,
                let serialized: Data = try? file.serializedBytes()
            else { preconditionFailure("the descriptor of \(name) is damaged: run scripts/generate-protos.sh") }
            files[name] = File(serialized: serialized, imports: file.dependency)
            for symbol in file.symbols { declarations[symbol] = name }
            services += file.service.map { "\(file.package).\($0.name)" }
        }
        self.files = files
        self.declarations = declarations
        self.services = services.sorted()
    }

    /// The serialized answer to one serialized request; nil where it is not a request.
    func answer(_ bytes: [UInt8]) -> [UInt8]? {
        guard let request = try? Grpc_Reflection_V1_ServerReflectionRequest(serializedBytes: bytes) else { return nil }
        var response = Grpc_Reflection_V1_ServerReflectionResponse()
        response.validHost = request.host
        response.originalRequest = request
        switch request.messageRequest {
        case .listServices:
            response.listServicesResponse.service = services.map { name in
                var service = Grpc_Reflection_V1_ServiceResponse()
                service.name = name
                return service
            }
        case .fileByFilename(let name):
            describe(files[name] == nil ? nil : name, asked: name, in: &response)
        case .fileContainingSymbol(let symbol):
            describe(declarations[symbol], asked: symbol, in: &response)
        case .fileContainingExtension(let request):
            fail(GRPC_STATUS_NOT_FOUND, "\(request.containingType) has no extensions", in: &response)
        case .allExtensionNumbersOfType(let type):
            if declarations[type] != nil {
                response.allExtensionNumbersResponse.baseTypeName = type
            } else {
                fail(GRPC_STATUS_NOT_FOUND, "\(type) is not known", in: &response)
            }
        case nil:
            fail(GRPC_STATUS_INVALID_ARGUMENT, "the request asks for nothing", in: &response)
        }
        return try? response.serializedBytes()
    }

    /// Answers with a file and all that it imports, directly or not.
    private func describe(_ file: String?, asked: String, in response: inout Grpc_Reflection_V1_ServerReflectionResponse) {
        guard let file else { return fail(GRPC_STATUS_NOT_FOUND, "\(asked) is not known", in: &response) }
        var names = [file]
        var next = 0
        while next < names.count {
            for name in files[names[next]]?.imports ?? [] where !names.contains(name) { names.append(name) }
            next += 1
        }
        response.fileDescriptorResponse.fileDescriptorProto = names.compactMap { files[$0]?.serialized }
    }

    private func fail(
        _ code: grpc_status_code, _ message: String, in response: inout Grpc_Reflection_V1_ServerReflectionResponse
    ) {
        response.errorResponse.errorCode = Int32(code.rawValue)
        response.errorResponse.errorMessage = message
    }
}

extension Google_Protobuf_FileDescriptorProto {
    /// The full names of what the file declares.
    fileprivate var symbols: [String] {
        messageType.flatMap { $0.symbols(in: package) }
            + enumType.map { "\(package).\($0.name)" }
            + service.flatMap { service in
                let name = "\(package).\(service.name)"
                return [name] + service.method.map { "\(name).\($0.name)" }
            }
    }
}

extension Google_Protobuf_DescriptorProto {
    fileprivate func symbols(in scope: String) -> [String] {
        let full = "\(scope).\(name)"
        return [full] + nestedType.flatMap { $0.symbols(in: full) } + enumType.map { "\(full).\($0.name)" }
    }
}
