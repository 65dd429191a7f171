/// # States that a healthy sweep must reach
///
/// A simulation that never gets into a protocol's corners proves nothing about them, however green it is. So a machine says
/// where it is: `effects.reached(.logCutAtDivergence)`. That sets one bit of the sink and is no effect: a driver may ignore it, as
/// the runtime does. The simulated world counts in how many batches each was reached, and a sweep that never reached one
/// fails. (After Antithesis' "sometimes assertions", and `cov_mark` of rust-analyzer.)
///
/// What a mark says has happened for good: it is set behind the decision, not before it. A mark of which no sweep can tell
/// whether it is ever reached is worth nothing; so each is used in the sources, and each is within reach of a short sweep.
public enum Sometimes: UInt8, CaseIterable, Hashable, Sendable {
    // Storage.

    /// A log ended in a torn write, which was rolled back.
    case tornTailRolledBack
    /// A log ended with a right `%closed`, and was opened in place.
    case logOpenedAsClosed
    /// A rewrite had been cut off: the rollback file was there, and went.
    case rollbackFileDiscarded
    /// An operation of opening failed.
    case openingFailed
    /// An operation of a rewrite failed.
    case rewriteFailed
    /// A write failed, and the store stopped.
    case writeFailedForGood
    /// A sync failed, and the store stopped.
    case syncFailedForGood
    /// What was written while a sync ran shared the next one.
    case syncWasShared
    /// Entries that had left memory were read from the file.
    case entriesReadFromFile
    /// A log was closed without its line, which would have reached into the next block.
    case closedWithoutItsLine
    /// Under a weaker policy an entry counted before it was synced.
    case countedBeforeSync
    /// A log was closed whose entries had counted before they were synced: it is whole after all.
    case closedAsWhole
    /// A store was opened that may lack what it had acknowledged.
    case openedNotWhole
    /// A copy that a store was taking came to nothing.
    case copyDropped

    // Replication: the receiving side.

    /// An append of an older term was refused.
    case appendOfOlderTermRefused
    /// An append began a higher term here.
    case higherTermFollowed
    /// A higher term was learnt from config, before its primary was heard.
    case termAdoptedFromConfig
    /// An append was for an earlier life of this node.
    case appendForAnotherLife
    /// An append came while the log was being rewritten.
    case appendDuringRewrite
    /// The entry before an append was not the one that stands here.
    case appendDidNotFit
    /// An append brought entries that were here already.
    case entriesRepeated
    /// An entry of another term stood in an entry's place: the log was cut.
    case logCutAtDivergence
    /// A lease was to be promised that is longer than any that this store had promised: the log has it first.
    case longerLeaseRemembered
    /// A copy has taken the log's place.
    case copySwitched
    /// A copy took the place of a log that had entries.
    case copyReplacedLog
    /// The primary had committed what was not yet synced here.
    case commitWaitedForOwnSync

    // Replication: the sending side.

    /// A new primary was level, and had to wait for the end of its own promises.
    case promiseWaitedOut
    /// A primary handed over to a standby.
    case handedOver
    /// A primary that was handing over did not, and went on.
    case handoverAbandoned
    /// A new primary served while its promise to the one that handed over to it was running.
    case releasedPromiseSkipped
    /// A request came while a primary was handing over.
    case refusedWhileHandingOver
    /// An operator's wish for another primary came true.
    case transferred
    /// An operator's wish for another primary could not be granted.
    case transferRefused
    /// A primary that was asked to end handed over first.
    case handedOverAtShutdown
    /// A new primary's first entry committed entries of terms before.
    case inheritedEntriesCommitted
    /// A primary was told that there is a higher term.
    case deposedByHigherTerm
    /// Entries were committed while more than one in-sync set may have been in force.
    case committedUnderUndecidedConfig
    /// Entries that every in-sync store had were not committed, because these are fewer than minsync.
    case commitWaitedForMinSync
    /// One that had fallen silent was not shrunk away yet, because minsync hung on others that had just missed a heartbeat.
    case shrinkWaitedForDoubtful
    /// A member whose registration is gone was shrunk away.
    case memberShrunkForItsEnd
    /// A registered member that did not answer was shrunk away.
    case memberShrunkForSilence
    /// A primary in office found at a heartbeat that no lease covers its reads.
    case leaseLapsed
    /// A primary that did not hear a standby asked the master whether anybody hears it.
    case witnessAsked
    /// It was heard.
    case witnessHeard
    /// Nobody was blamed for silence during the primary's own pause.
    case peersForgivenAfterPause
    /// A learner was level, and was written into the in-sync set.
    case learnerGrown
    /// A growth took the place of an earlier life of the same store.
    case lifeReplacedInGrowth
    /// A learner that commits waited for fell silent, and they waited no longer.
    case joinerFellSilent
    /// A store's log held entries that the primary lacks.
    case commonPointBelowEnd
    /// A store's log had nothing in common with the primary's.
    case nothingInCommon
    /// A store took nothing while it rewrote its log.
    case peerWasBusy
    /// A store was fed from the log file.
    case learnerFedFromFile
    /// A learner did not come closer, and was given more at a time.
    case learnerFedFaster
    /// A store was sent a copy instead of entries.
    case copyBegan
    /// A store could not be fed from the log, and could not be sent a copy yet.
    case learnerWaitedForCopy
    /// Something was committed while a copy was made.
    case copyUnderWrites
    /// Entries waited because as much as allowed was under way to a store.
    case windowWasFull

    // Config writes of a primary.

    /// The outcome of a config write was unknown.
    case configWriteUnknown
    /// A config write with unknown outcome turned out to be in force.
    case configWriteFoundApplied
    /// A config write was repeated, because config still showed the version that it named.
    case configWriteRepeated
    /// A config write was refused, and config is as it was.
    case configWriteRefused
    /// A config write failed because the primary's registration was gone.
    case configWriteWithoutRegistration

    // A data node.

    /// Reads were there, and the lease did not hold.
    case readMissedLease
    /// A read that had missed the lease was answered, for it holds again.
    case readAnsweredAfterLeaseReturned
    /// A read that waited for a lease was refused.
    case readRefusedWithoutLease
    /// All stores that count answered a round of confirmed reads.
    case confirmedRoundCompleted
    /// Several reads were confirmed by one round.
    case confirmedRoundShared
    /// A primary stepped down while reads waited to be confirmed.
    case confirmedReadCutOff
    /// A read was not confirmed in time.
    case confirmedReadRefused
    /// An in-sync store that is not the primary answered a stale read.
    case staleReadAtStandby
    /// A store that is not in-sync answered a stale read.
    case staleReadAtLearner
    /// A stale read was answered in a group without a primary.
    case staleReadWithoutPrimary
    /// A stale read waited for its position, and was answered.
    case staleReadWaited
    /// A store did not come to the position that a stale read demands.
    case staleReadRefusedBelowPosition
    /// A node that is not the primary named the one that is.
    case replicaNamedPrimary
    /// A request came while the primary was taking office.
    case refusedWhileTakingOffice
    /// A write was refused: as many as allowed wait for their commit.
    case writesAtBound
    /// A read was refused: as many as allowed wait for a lease.
    case readsAtBound
    /// A primary stepped down while writes waited for their commit.
    case writesLeftUndecided
    /// A store's registration was gone while the node lived.
    case storeRegistrationVanished
    /// A standby told the master that it does not hear its primary.
    case suspicionSent
    /// A standby that had been paused itself gave its primary another lease to be heard.
    case silenceForgivenAfterPause
    /// A primary that was replaced while its process lived has found it out, and registered anew.
    case deposedPrimaryRejoined
    /// A primary whose disk hung gave up its registration.
    case resignedForHungDisk
    /// A shutdown had to wait for requests under way.
    case shutdownWaited
    /// A shutdown did not wait any longer for requests under way.
    case drainTimedOut
    /// A shutdown did not wait any longer for log and session to close.
    case closingTimedOut
    /// A shutdown came while the store was being opened.
    case shutdownDuringOpening
    /// A store had promised a longer lease, in an earlier life, than it is set to.
    case longerLeaseInherited
    /// A store was elected by an operator's word, and took up the new history.
    case newLineageTakenUp
    /// A store held a history that its group had given up, and put its log aside.
    case logSetAside
    /// A disk was a copy of a store's, or an old image, and its log went on as another store's.
    case becameAnotherStore
    /// A store that was not whole is in-sync, and whole again.
    case becameWholeAgain

    // Client sessions.

    /// A repeat was answered with the result that was remembered.
    case resultRemembered
    /// A repeat was answered with what an earlier primary had done.
    case resultRememberedAcrossTerms
    /// A repeat waited for the entry that was under way.
    case repeatWaitedForEntry
    /// A repeat came when its client had said that it waits for it no more.
    case resultForgotten
    /// A mutation was refused because its session is not known (any more).
    case sessionUnknown
    /// A session was closed because nothing was heard of it.
    case sessionExpired
    /// A session was closed to make room for another.
    case sessionEvicted
    /// A session could not be opened: there are as many as allowed, and all in use.
    case sessionsAtBound
    /// A mutation was refused: its client waits for as many as allowed.
    case resultsAtBound

    // The ring.

    /// A primary sealed the ring before its first write.
    case ringSealed
    /// The ring had moved when a primary wanted to seal it, or the outcome is unknown.
    case ringSealFailed
    /// A read was answered on an open ring.
    case openRingProved
    /// The ring had moved when a read was to be answered, or the outcome is unknown.
    case openRingProofFailed
    /// A request came to a group that owns nothing.
    case requestForPendingGroup
    /// A request came to a group that does not own the key.
    case keyOfAnotherGroup

    // A server.

    /// A request that certainly did not happen was kept for another try.
    case requestParked
    /// A request that was kept was sent after all.
    case parkedRequestSent
    /// A request that was kept was given up.
    case parkedRequestGivenUp
    /// A request could not go anywhere: its group has nobody who may serve.
    case requestForStuckGroup
    /// A replica did not answer a stale read, and another was asked.
    case staleReadTriedElsewhere
    /// The link broke under a read, which was tried again.
    case readKeptAfterBrokenLink
    /// The link broke under a mutation, which may have happened.
    case mutationCutOff
    /// A mutation that may have happened was sent again, for its group to execute it once.
    case mutationSentAgain
    /// A mutation that may have happened was sent again, and its session was gone.
    case repeatFoundNoSession
    /// No answer to a mutation came in time.
    case mutationTimedOut
    /// No answer to a read came in time.
    case readTimedOut
    /// An answer came to a request that is no longer waited for.
    case answerCameTooLate
    /// A request was refused: as many as allowed are under way.
    case requestsAtBound
    /// A server shut down with requests under way.
    case serverLeftRequests
    /// A server's registration was gone while it lived.
    case serverRegistrationVanished

    // Locks and registrations in ZooKeeper.

    /// The outcome of the creation of a lock node was unknown.
    case lockCreateUnknown
    /// A lock node was found whose creation had had an unknown outcome.
    case lockNodeFound
    /// The predecessor in the queue went while it was waited for.
    case lockPredecessorWent
    /// The predecessor was gone before it could be watched.
    case lockPredecessorGone
    /// The outcome of a registration was unknown.
    case registrationUnknown
    /// A registration with unknown outcome turned out to have been made.
    case registrationFound
    /// A registration with unknown outcome turned out not to have been made, and was repeated.
    case registrationRepeated

    // The master.

    /// A server that stood for election found another master.
    case electionLost
    /// An election with unknown outcome turned out to be won.
    case electionFoundWon
    /// A server waited for the end of its own dying session, which is still master.
    case waitedForOwnDyingSession
    /// A master ended because its session had expired.
    case masterLostSession
    /// A group's first primary was named.
    case groupFormed
    /// A group was formed when the ring was sealed already.
    case groupFormedPending
    /// A primary was replaced by an in-sync standby.
    case standbyPromoted
    /// A primary was replaced by a later life of an in-sync store.
    case laterLifePromoted
    /// The outcome of a master's transaction was unknown.
    case masterWriteUnknown
    /// The link to a primary that is not heard broke, or was refused.
    case probeLinkBroke
    /// A primary that is not heard did not answer the master's probe.
    case probeUnanswered
    /// Another life answered the probe of a primary.
    case probeAnsweredByAnotherLife
    /// A primary answered a probe, but cannot lead.
    case probeAnsweredOutOfOffice
    /// A primary that a standby does not hear answered a probe, and stays.
    case suspicionRefuted
    /// A primary was replaced while its session lived.
    case primaryDeposed
    /// An operator gave up a group's lost in-sync stores, and another store began a new history.
    case groupRecovered
    /// An operator's recovery of a group was refused.
    case recoveryRefused
    /// A group had no store that may become primary.
    case groupWasStuck
    /// Such a group could go on.
    case groupWentOn

    // Views and sessions.

    /// A registered number was gone when it was read.
    case registrationGoneWhenRead
    /// A session expired, and another was opened.
    case sessionReplaced
    /// A session outlived a lost connection.
    case sessionOutlivedConnection
}

/// A set of marks, as bits: no allocation.
public struct SometimesSet: Hashable, Sendable {
    /// The marks from 0 on, and those from 128 on.
    @usableFromInline var low: UInt128 = 0
    @usableFromInline var high: UInt128 = 0

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { low | high == 0 }

    @inlinable public func contains(_ mark: Sometimes) -> Bool {
        let bits = mark.rawValue < 128 ? low : high
        return bits >> UInt128(mark.rawValue & 127) & 1 == 1
    }

    @inlinable public mutating func insert(_ mark: Sometimes) {
        let bit: UInt128 = 1 << UInt128(mark.rawValue & 127)
        if mark.rawValue < 128 { low |= bit } else { high |= bit }
    }

    /// In the order of the marks.
    public func forEach(_ body: (Sometimes) -> Void) {
        func walk(_ bits: UInt128, from first: Int) {
            var rest = bits
            while rest != 0 {
                if let mark = Sometimes(rawValue: UInt8(first + rest.trailingZeroBitCount)) { body(mark) }
                rest &= rest - 1
            }
        }
        walk(low, from: 0)
        walk(high, from: 128)
    }
}
