import Wire

// # Reads that trust no clock
//
// A lease says "nobody else serves" for as long as clocks run at about the same rate. A *round* says the same without clocks, of one
// moment: every store that counts is asked, after the read arrived, and none has heard of a higher term.
//
// Why one round is enough. Let a read arrive here, in term t, at some moment, and let another primary, of a higher term t', have
// acknowledged a write (or answered a read) before that moment.
// - The master chose the first primary after t from the in-sync set that was in force, S. That set was written by this primary, or
//   for it, so `ConfigWriter.mayBeInForce` has held all of S from before S was in force until this primary learns that it is
//   deposed: a change that it sees decided *after* the read arrived was made at a version that t' had not taken yet. So S counts,
//   whatever set is looked at in the end.
// - That first successor is a store of S, and so are all that follow until one of them has served; each adopts its term before it
//   serves. If one of them is a member of S in its recorded life, it answers the round with its higher term: a refusal. If it is a
//   later life of such a store, the recorded life has ended, and nobody answers in its name what was sent after that.
// Either way one answer of S is missing, and the read is not answered. And what this primary itself or those before it have
// acknowledged is in its committed state: it serves only once all that it inherited is committed.
//
// An answer counts by the round that it echoes, not by the time of its message: that number was first sent after the reads of the
// round had arrived. What is lost is made up for by the next heartbeat, which names the same round.

extension Primary {
    /// Asks every other store whether it has heard of a higher term: with what leaves at the end of this batch.
    /// - Returns: the number by which `isConfirmed` knows the round.
    public mutating func beginRound() -> UInt64 {
        round += 1
        heartbeatDue = true
        return round
    }

    /// Whether every store that counts has answered this round or a later one. Alone: at once.
    public func isConfirmed(_ round: UInt64) -> Bool {
        guard office == .serving else { return false }
        for member in writer.mayBeInForce where member != me {
            guard let index = indexOfPeer(member), peers.values[index].confirmed >= round else { return false }
        }
        for index in peers.keys.indices where peers.values[index].isJoining && peers.values[index].confirmed < round {
            return false
        }
        return true
    }
}
