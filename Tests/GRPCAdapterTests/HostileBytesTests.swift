import AviaryProtos
import Foundation
import Machine
import SwiftProtobuf
import Testing
import Wire

@testable import GRPCAdapter

/// Bytes from outside are messages or errors, whatever they are.
@Suite struct HostileBytesTests {
    private func decode(_ bytes: [UInt8]) throws -> Frame {
        try bytes.withUnsafeBytes { try Frame(decoding: $0) }
    }

    private func frame(_ build: (inout Aviary_Internal_V1_Message) -> Void) throws -> Frame {
        var message = Aviary_Internal_V1_Message()
        build(&message)
        var frame = Aviary_Internal_V1_Frame()
        var after = Aviary_Internal_V1_Message()
        after.statusQuery.id = 1
        frame.messages = [message, after]
        return try decode(try frame.serializedBytes())
    }

    /// One message is dropped; the one after it is not.
    private func expectDropped(_ build: (inout Aviary_Internal_V1_Message) -> Void) throws {
        let frame = try frame(build)
        #expect(frame.dropped == 1)
        #expect(frame.messages == [.statusQuery(id: 1)])
    }

    private func append(
        _ change: @escaping (inout Aviary_Internal_V1_Append) -> Void
    ) -> (inout Aviary_Internal_V1_Message) -> Void {
        return { message in
            message.append.from.number = 1
            message.append.previous = .init()
            change(&message.append)
        }
    }

    @Test func aMessageThatLacksWhatItMustHaveIsDropped() throws {
        #expect(try frame(append { _ in }).dropped == 0)
        try expectDropped { _ in }
        try expectDropped(append { $0.clearFrom() })
        try expectDropped(append { $0.clearPrevious() })
        try expectDropped(append { $0.entries = [.init()] })
        try expectDropped { $0.appendReply.outcome = .busy(.init()) }
        try expectDropped { $0.appendReply.from.number = 1 }
        try expectDropped { message in
            message.appendReply.from.number = 1
            message.appendReply.mismatch = .init()
        }
        try expectDropped { $0.forward.id = 1 }
        try expectDropped { $0.forwardReply.id = 1 }
        try expectDropped { $0.statusReply.id = 1 }
        try expectDropped { $0.statusReply.replica = .init() }
        try expectDropped { $0.suspicion.primary.number = 1 }
        try expectDropped { $0.suspicion.by.number = 1 }
        try expectDropped { $0.probeReply.id = 1 }
    }

    @Test func piecesOfACopyThatNoRightPeerSendsAreDropped() throws {
        func piece(
            _ change: @escaping (inout Aviary_Internal_V1_CopyPiece) -> Void
        ) -> (inout Aviary_Internal_V1_Message) -> Void {
            { message in
                message.copyPiece.from.number = 1
                message.copyPiece.nothing = .init()
                change(&message.copyPiece)
            }
        }
        #expect(try frame(piece { _ in }).dropped == 0)
        try expectDropped(piece { $0.clearFrom() })
        try expectDropped(piece { $0.content = nil })
        try expectDropped(piece { $0.term = .max })
        try expectDropped(piece { $0.copy = .max })
        try expectDropped(piece { $0.index = 1 << 63 })
        try expectDropped(piece { $0.sentAt = -1 })
        try expectDropped(piece { $0.end = .init() })
        try expectDropped(piece { $0.end.position.seq = .max })
        try expectDropped(
            piece { message in
                message.end.position.seq = 1
                message.end.dropped = .max
            })
        try expectDropped(piece { $0.runs.runs = [.with { $0.last = .max }] })
        try expectDropped(piece { $0.entries.entries = [.init()] })
        try expectDropped(piece { $0.sessions.memories = [.init()] })
        func memory(
            _ change: (inout Aviary_Internal_V1_SessionMemory) -> Void
        ) -> Aviary_Internal_V1_SessionMemory {
            .with {
                $0.session.term = 1
                change(&$0)
            }
        }
        let right = memory { $0.outcomes = [.with { $0.sequence = 1 }] }
        #expect(try frame(piece { $0.sessions.memories = [right] }).dropped == 0)
        for wrong in [
            memory { $0.lowestOpen = .max }, memory { $0.outcomes = [.with { $0.seq = .max }] },
            memory { $0.outcomes = [.with { $0.sequence = .max }] },
            memory { $0.outcomes = [.with { $0.result = .UNRECOGNIZED(3) }] },
        ] { try expectDropped(piece { $0.sessions.memories = [wrong] }) }
        try expectDropped { message in
            message.appendReply.from.number = 1
            message.appendReply.copying.written = .max
        }
    }

    @Test func numbersThatNoRightPeerSendsAreDropped() throws {
        try expectDropped(append { $0.term = .max })
        try expectDropped(append { $0.commit = 1 << 63 })
        try expectDropped(append { $0.previous.seq = .max })
        try expectDropped(append { $0.leaseNanos = -1 })
        try expectDropped(append { $0.leaseNanos = .max })
        try expectDropped(append { $0.sentAt = .min })
        try expectDropped { message in
            message.appendReply.from.number = 1
            message.appendReply.verified = .max
            message.appendReply.accepted = .init()
        }
        try expectDropped { message in
            message.statusReply.replica.role = .UNRECOGNIZED(99)
        }
        for change: (inout Aviary_Internal_V1_Suspicion) -> Void in [
            { $0.term = .max }, { $0.by.number = .max }, { $0.silenceNanos = -1 }, { $0.silenceNanos = .max },
        ] {
            try expectDropped { message in
                message.suspicion.primary.number = 1
                message.suspicion.by.number = 2
                change(&message.suspicion)
            }
        }
        try expectDropped { message in
            message.probeReply.member.number = 1
            message.probeReply.term = 1 << 63
        }
    }

    @Test func anErrorOfAnUnknownCodeMayHaveHappened() throws {
        for code: UInt32 in [0, 1, 2, 13, 99, .max] {
            let frame = try frame { message in
                message.forwardReply.failed.code = code
                message.forwardReply.failed.message = "?"
                message.forwardReply.failed.redirect = "not an address"
            }
            #expect(frame.messages[0] == .forwardReply(id: 0, .failed(ClientError(.aborted, "?"))))
        }
    }

    @Test func fieldsOfALaterVersionArePassedOver() throws {
        // Field 1000 in every wire type, groups included, in front of a message that is known.
        let unknown: [[UInt8]] = [
            [0xC0, 0x3E, 0xFF, 0x01],
            [0xC1, 0x3E, 1, 2, 3, 4, 5, 6, 7, 8],
            [0xC2, 0x3E, 2, 9, 9],
            [0xC3, 0x3E, 0xC0, 0x3E, 1, 0x0B, 0x0C, 0xC4, 0x3E],
            [0xC5, 0x3E, 1, 2, 3, 4],
        ]
        for field in unknown {
            let frame = try decode(field + FrameMessages(messages: [.statusQuery(id: 3)]).encoded())
            #expect(frame.messages == [.statusQuery(id: 3)])
        }
    }

    @Test(
        arguments: [
            [0x00],  // field 0
            [0x0F],  // no such wire type
            [0x0C],  // the end of a group that never began
            [0x0B],  // a group that never ends
            [0x0B, 0x14],  // a group that ends with another's number
            [0x80],  // a number that breaks off
            [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],  // a number of more than 64 bits
            [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // a length beyond everything
            [0x12, 0x05, 0x00],  // a length beyond the end
            [0x08, 0x01],  // text that is a number
            [0x0A, 0x02, 0xC3, 0x28],  // text that is not UTF-8
        ] as [[UInt8]])
    func brokenFramesAreMalformed(_ bytes: [UInt8]) {
        #expect(throws: Malformed.self) { try decode(bytes) }
    }

    @Test func groupsNestOnlySoFar() {
        #expect(throws: Malformed.self) { try decode([UInt8](repeating: 0x0B, count: 1_000_000)) }
    }

    @Test func everyPrefixAndEveryFlippedBitIsSurvived() throws {
        let bytes = FrameMessages(messages: Samples.messages[...]).encoded()
        for end in bytes.indices { _ = try? decode(Array(bytes[..<end])) }
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                _ = try? decode(damaged)
            }
        }
    }

    @Test func noiseIsSurvived() {
        var random = SeededRandom(seed: 1926)
        for _ in 0..<3_000 {
            let length = Int(random.next(upperBound: 200 as UInt64))
            let noise = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = try? decode(noise)
            noise.withUnsafeBytes { bytes in
                _ = try? KeyRequest(.put, decoding: bytes)
                _ = try? KeyReply(to: .get, decoding: bytes)
                _ = try? ClusterStatus(decoding: bytes)
                _ = ReflectionService.shared.answer([UInt8](bytes))
            }
        }
    }

    /// Whatever this reader takes for a request, the generated type takes for the same, and the reverse.
    @Test func noiseIsJudgedAsTheGeneratedTypesJudge() {
        var random = SeededRandom(seed: 7)
        var agreed = 0
        for _ in 0..<5_000 {
            var bytes = KeyRequest.put(key: [1, 2, 3], value: [4, 5]).encoded()
            for _ in 0...random.next(upperBound: 3 as UInt64) {
                let index = Int(random.next(upperBound: UInt64(bytes.count)))
                bytes[index] = UInt8(truncatingIfNeeded: random.next())
            }
            let ours = bytes.withUnsafeBytes { try? KeyRequest(.put, decoding: $0) }
            let theirs = try? Aviary_V1_PutRequest(serializedBytes: bytes)
            if let ours, let theirs {
                #expect(ours == .put(key: [UInt8](theirs.key), value: [UInt8](theirs.value)))
                agreed += 1
            } else if ours != nil || theirs != nil {
                // Both refuse what breaks off; they differ only in how they treat a known field with another type.
                #expect(ours == nil)
            }
        }
        #expect(agreed > 500)
    }
}
