import Machine
import TestSupport
import Wire

/// One value of everything that goes over the wire.
enum Samples {
    static let replica = ReplicaStatus(
        group: "zdata1", member: MemberID(store: StoreID("3f0c"), number: 7), role: .takingOffice, term: 5,
        last: Position(term: 4, seq: 99), commit: 98, keys: 42, leased: true, coordinated: false)

    static let status = ClusterStatus(
        answeredBy: Address(host: "10.0.0.1", port: 1926),
        coordinated: true,
        master: ServerStatus(number: 2, address: Address(host: "10.0.0.2", port: 1926), epoch: 3),
        servers: [
            ServerStatus(number: 1, address: Address(host: "10.0.0.1", port: 1926)),
            ServerStatus(number: 2, address: Address(host: "::1", port: 65535)),
        ],
        groups: [
            GroupStatus(
                name: "zdata1", state: .serving, problem: "", lineage: "l", term: 5, primary: 7,
                members: [
                    MemberStatus(
                        member: MemberID(store: StoreID("3f0c"), number: 7), address: Address(host: "10.0.0.3", port: 1),
                        isPrimary: true, inSync: true, replica: replica),
                    MemberStatus(
                        member: MemberID(store: StoreID("77"), number: 8), address: nil, isPrimary: false, inSync: false,
                        replica: nil),
                ],
                shareMillionths: 1_000_000),
            GroupStatus(
                name: "zdata2", state: .noPrimary, problem: "no in-sync store is there", lineage: "", term: 0, primary: nil,
                members: [], shareMillionths: 0),
        ],
        ring: RingStatus(
            version: 2, sealed: true, tokens: [RingToken(token: .max, group: "zdata1"), RingToken(token: 0, group: "zdata1")])
    )

    static let routes = Routes(
        ring: status.ring,
        groups: [
            Routes.Group(name: "zdata1", primary: Address(host: "10.0.0.3", port: 1)),
            Routes.Group(name: "zdata2", primary: nil),
        ])

    static let identity = RequestIdentity(
        group: "zdata1", session: SessionID(opened: Position(term: 2, seq: 5)), sequence: 8, lowestOpen: 6)

    static let entries = [
        Entry(position: Position(term: 1, seq: 1), operation: .beginTerm),
        Entry(position: Position(term: 1, seq: 2), operation: .put(key: [0, 255], value: [UInt8](repeating: 9, count: 300))),
        Entry(position: Position(term: 1, seq: 3), operation: .put(key: [1], value: [])),
        Entry(position: Position(term: 1, seq: 4), operation: .delete(key: [0, 255])),
        Entry(position: Position(term: 2, seq: 5), operation: .openSession),
        Entry(position: Position(term: 2, seq: 6), operation: .put(key: [1], value: [2]), identity: identity),
        Entry(position: Position(term: 2, seq: 7), operation: .delete(key: [1]), identity: identity),
        Entry(position: Position(term: 2, seq: 8), operation: .closeSession(identity.session)),
    ]

    static let append = Append(
        group: "zdata1", lineage: Lineage("l"), term: 5, from: MemberID(store: StoreID("3f0c"), number: 7), to: 8,
        previous: .zero, entries: entries, commit: 3, sentAt: 1 << 50, lease: .milliseconds(400),
        round: 6)

    static func reply(_ outcome: AppendReply.Outcome) -> AppendReply {
        AppendReply(
            group: "zdata1", term: 5, from: MemberID(store: StoreID("77"), number: 8), verified: 4, echo: 12, round: 6,
            outcome: outcome)
    }

    static func piece(_ content: CopyContent, index: UInt64 = 3) -> CopyPiece {
        CopyPiece(
            group: "zdata1", lineage: Lineage("l"), term: 5, from: MemberID(store: StoreID("3f0c"), number: 7), to: 8, copy: 2,
            index: index, content: content, sentAt: 1 << 50)
    }

    static let memories = [
        SessionMemory(
            session: SessionID(opened: Position(term: 2, seq: 5)), lowestOpen: 6,
            outcomes: [
                SessionMemory.Outcome(sequence: 6, seq: 8, existed: nil),
                SessionMemory.Outcome(sequence: 7, seq: 9, existed: true),
                SessionMemory.Outcome(sequence: 9, seq: 10, existed: false),
            ]),
        SessionMemory(session: SessionID(opened: Position(term: 3, seq: 7)), lowestOpen: 1, outcomes: []),
    ]

    static let copyPieces: [PeerMessage] = [
        .copyPiece(piece(.entries(entries), index: 0)),
        .copyPiece(piece(.entries([]))),
        .copyPiece(piece(.runs([TermRun(term: 1, first: 1, last: 6), TermRun(term: 3, first: 7, last: 10)]))),
        .copyPiece(piece(.sessions(memories))),
        .copyPiece(piece(.end(CopyEnd(position: Position(term: 3, seq: 10), dropped: 9)))),
        .copyPiece(piece(.nothing)),
        .appendReply(reply(.copying(copy: 2, received: 7, written: 4))),
        .appendReply(reply(.copying(copy: 1, received: 0, written: 0))),
    ]

    static let messages: [PeerMessage] =
        copyPieces + [
            .append(append),
            .appendReply(reply(.accepted)),
            .appendReply(reply(.olderTerm)),
            .appendReply(
                reply(
                    .mismatch(
                        last: Position(term: 3, seq: 10),
                        runs: [TermRun(term: 1, first: 1, last: 6), TermRun(term: 3, first: 7, last: 10)]))),
            .appendReply(reply(.mismatch(last: .zero, runs: []))),
            .appendReply(reply(.busy)),
            .appendReply(reply(.otherLineage(Lineage("other")))),
            .forward(id: .max, .put(key: [1, 2], value: [3])),
            .forward(id: 0, .get(key: [4])),
            .forward(id: 1, .delete(key: [])),
            .forward(id: 2, .put(key: [1], value: [2], identity: identity)),
            .forward(id: 3, .delete(key: [1], identity: identity)),
            .forward(id: 4, .get(key: [4], mode: .confirmed)),
            .forward(id: 5, .get(key: [4], mode: .stale(atLeast: nil))),
            .forward(id: 6, .get(key: [4], mode: .stale(atLeast: ClientReply.anyPosition))),
            .forward(id: 7, .openSession(key: [8])),
            .transfer(id: 8, TransferRequest(group: "birds", to: nil)),
            .transfer(id: 9, TransferRequest(group: "birds", to: 3)),
            .recover(id: 8, recoverRequest), .forwardReply(id: 8, .recovered(recovered)),
            .recover(id: 9, RecoverRequest(group: "birds", store: nil, acceptsDataLoss: false, by: "")),
            .forwardReply(
                id: 9, .transferred(Transferred(primary: MemberID(store: StoreID("77"), number: 8), term: 6))),
            .forwardReply(id: 1, .put),
            .forwardReply(id: 2, .value(nil)),
            .forwardReply(id: 3, .value([])),
            .forwardReply(id: 4, .value([5, 6])),
            .forwardReply(id: 5, .deleted(existed: true)),
            .forwardReply(id: 6, .deleted(existed: false)),
            .forwardReply(
                id: 8, .done(.opened(SessionID(opened: Position(term: 3, seq: 9))), at: ClientReply.anyPosition)),
            .statusQuery(id: 1 << 40),
            .statusReply(id: 9, replica),
            .suspicion(
                Suspicion(
                    group: "zdata1", term: 5, primary: MemberID(store: StoreID("3f0c"), number: 7),
                    by: MemberID(store: StoreID("77"), number: 8), silence: .milliseconds(412))),
            .probe(id: .max),
            .ping(id: .max),
            .pong(id: 7),
            .probeReply(
                ProbeReply(
                    id: .max, group: "zdata1", member: MemberID(store: StoreID("3f0c"), number: 7), term: 5, coordinated: true,
                    yieldsTo: 2)),
            .probeReply(
                ProbeReply(id: 0, group: "", member: MemberID(store: StoreID(""), number: 0), term: 0, coordinated: false)),
        ]
        + ClientError.Code.allCases.map {
            .forwardReply(id: 7, .failed(ClientError($0, "why", redirect: Address(host: "h", port: 1))))
        }

    static let recoverRequest = RecoverRequest(
        group: "birds", store: StoreID("3f0c"), acceptsDataLoss: true, by: "ada@ops")

    static let recovered: Recovered = {
        func candidate(_ store: String, _ number: UInt64) -> Recovered.Candidate {
            Recovered.Candidate(
                member: MemberID(store: StoreID(store), number: number), last: Position(term: 4, seq: number * 10))
        }
        return Recovered(
            isDone: true, chosen: candidate("3f0c", 8), others: [candidate("77", 7), candidate("12", 9)],
            formerLineage: Lineage("first"), formerTerm: 4, formerInSync: [MemberID(store: StoreID("a"), number: 1)],
            lineage: Lineage("second"), term: 5)
    }()
}
