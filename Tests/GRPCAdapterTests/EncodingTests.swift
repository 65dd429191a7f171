import AviaryProtos
import Foundation
import Machine
import SwiftProtobuf
import TestSupport
import Testing
import Wire

@testable import GRPCAdapter

/// The hand-written coding of the hot path against the generated types, both ways.
@Suite struct EncodingTests {
    private func frame(_ messages: [PeerMessage]) -> [UInt8] {
        FrameOpening(from: Address(host: "n1", port: 1926)).encoded() + FrameMessages(messages: messages[...]).encoded()
    }

    private func decode(_ bytes: [UInt8]) throws -> Frame {
        try bytes.withUnsafeBytes { try Frame(decoding: $0) }
    }

    @Test(arguments: Samples.messages)
    func aMessageComesBackAsItWent(_ message: PeerMessage) throws {
        let frame = try decode(frame([message]))
        #expect(frame.from == Address(host: "n1", port: 1926))
        #expect(frame.messages == [message])
        #expect(frame.dropped == 0)
    }

    @Test func framesThatAreJoinedAreOneFrame() throws {
        let messages = Samples.messages
        let joined = frame(Array(messages[..<5])) + FrameMessages(messages: messages[5...]).encoded()
        #expect(try decode(joined).messages == messages)
    }

    /// What the generated types read is written by them in the same bytes: every field has its number, type and place.
    @Test(arguments: Samples.messages)
    func theGeneratedTypesAgree(_ message: PeerMessage) throws {
        let bytes = frame([message])
        let generated = try Aviary_Internal_V1_Frame(serializedBytes: bytes)
        #expect(generated.from == "n1:1926")
        #expect(generated.messages.count == 1)
        #expect(generated.messages[0].kind != nil)
        #expect(generated.unknownFields.data.isEmpty)
        let again: [UInt8] = try generated.serializedBytes()
        #expect(again == bytes)
        #expect(try decode(again).messages == [message])
    }

    @Test func theGeneratedTypesSeeEachFieldOfAnAppend() throws {
        let append = try Aviary_Internal_V1_Frame(serializedBytes: frame([.append(Samples.append)])).messages[0].append
        #expect(append.group == "zdata1")
        #expect(append.lineage == "l")
        #expect(append.term == 5)
        #expect(append.from.store == "3f0c" && append.from.number == 7)
        #expect(append.to == 8)
        #expect(append.hasPrevious && append.previous.term == 0 && append.previous.seq == 0)
        #expect(append.commit == 3)
        #expect(append.sentAt == 1 << 50)
        #expect(append.leaseNanos == 400_000_000)
        #expect(append.entries.map(\.seq) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(append.entries[1].put.key == Data([0, 255]))
        #expect(append.entries[1].put.value.count == 300)
        #expect(append.entries[4].operation == .openSession(.init()))
        #expect(append.entries[5].identity.session.seq == 5 && append.entries[5].identity.sequence == 8)
        #expect(append.entries[6].identity.lowestOpen == 6)
        #expect(append.entries[7].closeSession.term == 2 && !append.entries[7].hasIdentity)
        #expect(append.entries[3].delete.key == Data([0, 255]))
    }

    @Test func theGeneratedTypesAgreeAboutKeysAndValues() throws {
        let put = try Aviary_V1_PutRequest(serializedBytes: KeyRequest.put(key: [1], value: [2, 3]).encoded())
        #expect(put.key == Data([1]) && put.value == Data([2, 3]))
        #expect(try Aviary_V1_GetRequest(serializedBytes: KeyRequest.get(key: [4]).encoded()).key == Data([4]))
        #expect(try Aviary_V1_DeleteRequest(serializedBytes: KeyRequest.delete(key: [5]).encoded()).key == Data([5]))
        let found = try Aviary_V1_GetResponse(serializedBytes: reply(.value([6])).encoded())
        #expect(found.found && found.value == Data([6]))
        #expect(try Aviary_V1_GetResponse(serializedBytes: reply(.value([])).encoded()).found)
        #expect(try Aviary_V1_GetResponse(serializedBytes: reply(.value(nil)).encoded()).found == false)
        #expect(try Aviary_V1_DeleteResponse(serializedBytes: reply(.deleted(existed: true)).encoded()).existed)
        let done = try Aviary_V1_PutResponse(serializedBytes: reply(.put).encoded())
        #expect(done.position.group == "birds" && done.position.lineage == "l" && done.position.seq == 7)
        let session = SessionID(opened: Position(term: 4, seq: 19))
        let opened = try Aviary_V1_OpenSessionResponse(serializedBytes: reply(.opened(session)).encoded())
        #expect(opened.session.term == 4 && opened.session.seq == 19)
    }

    @Test func theGeneratedTypesAgreeAboutIdentitiesAndModes() throws {
        let bytes = KeyRequest.delete(key: [5], identity: Samples.identity).encoded()
        let delete = try Aviary_V1_DeleteRequest(serializedBytes: bytes)
        #expect(delete.identity.session.term == 2 && delete.identity.session.seq == 5)
        #expect(delete.identity.sequence == 8 && delete.identity.lowestOpen == 6)
        let position = ClientReply.anyPosition
        let get = try Aviary_V1_GetRequest(
            serializedBytes: KeyRequest.get(key: [5], mode: .stale(atLeast: position)).encoded())
        #expect(get.mode == .stale && get.atLeast.seq == position.seq && get.atLeast.lineage == position.lineage.text)
        #expect(
            try Aviary_V1_GetRequest(serializedBytes: KeyRequest.get(key: [5], mode: .confirmed).encoded()).mode == .confirmed)
    }

    /// What it asks for cannot be promised by a version that does not know it.
    @Test func anUnknownReadModeIsMalformed() {
        let bytes = KeyRequest.get(key: [5]).encoded() + [0x50, 9]
        #expect(throws: Malformed()) {
            try bytes.withUnsafeBytes { bytes throws(Malformed) in try KeyRequest(.get, decoding: bytes) }
        }
    }

    private func reply(_ result: KeyResult) -> KeyReply { KeyReply(result: result, position: ClientReply.anyPosition) }

    @Test func aMemberStatusAgreesToo() throws {
        let bytes = Samples.replica.encoded()
        let generated: [UInt8] = try Aviary_V1_Replica(Samples.replica).serializedBytes()
        #expect(bytes == generated)
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, UInt64(UInt32.max), 1 << 56, 1 << 63, .max] as [UInt64])
    func numbersOfEveryLength(_ number: UInt64) throws {
        let bytes = frame([.statusQuery(id: number)])
        #expect(try Aviary_Internal_V1_Frame(serializedBytes: bytes).messages[0].statusQuery.id == number)
        #expect(try decode(bytes).messages == [.statusQuery(id: number)])
    }
}
