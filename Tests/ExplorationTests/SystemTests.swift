import ClusterSimulation
import Foundation
import Simulation
import Testing

/// Small systems whose every order is walked. `EXPLORE_STATES` (default 25,000) is how many states each may have; what needs
/// more is cut off. `docs/exploration.md` says how large they really are, and what is found where a mistake is planted.
@Suite("Exhaustive exploration", .serialized)
struct SystemTests {
    private static let states = ProcessInfo.processInfo.environment["EXPLORE_STATES"].flatMap { Int($0) } ?? 25_000

    /// Explores, expects no finding, and that the landmarks named by their indices were reached.
    private func explore<System: Explorable>(_ system: System, exhausts: Bool, reaches: [Int]) {
        let found = Explorer.explore(system, limits: ExplorationLimits(states: Self.states))
        #expect(found.finding == nil, "\(found.summary)")
        #expect(found.isExhausted || !exhausts, "\(found.summary)")
        for index in reaches {
            #expect(found.reached & 1 << UInt64(index) != 0, "not reached: \(System.landmarks[index])")
        }
    }

    @Test("Two nodes take numbers under the lock; a connection breaks, with every truth about what was asked")
    func registrationWithLoss() {
        var options = RegistrationSystem.Options()
        (options.losses, options.expiries) = (1, 0)
        explore(RegistrationSystem(options), exhausts: true, reaches: [0, 2, 3])
    }

    @Test("Two nodes take numbers under the lock; the session of one is over at any moment")
    func registrationWithExpiry() {
        var options = RegistrationSystem.Options()
        (options.losses, options.expiries) = (0, 1)
        explore(RegistrationSystem(options), exhausts: true, reaches: [0, 1, 3, 4])
    }

    @Test("Two servers, of which one is master; a group loses its primary")
    func electionWithoutFaults() {
        var options = ElectionSystem.Options()
        options.expiries = 0
        explore(ElectionSystem(options), exhausts: true, reaches: [0])
    }

    @Test("A server dies and comes again while the master's node of its session of before is still there")
    func electionWithRestart() {
        var options = ElectionSystem.Options()
        (options.servers, options.expiries, options.restarts) = (1, 0, 1)
        explore(ElectionSystem(options), exhausts: true, reaches: [0, 1, 3, 4])
    }

    @Test("A group of two stores takes one write")
    func groupWithoutFaults() {
        var options = GroupSystem.Options()
        (options.crashes, options.ticks) = (0, 1)
        explore(GroupSystem(options), exhausts: true, reaches: [0])
    }

    @Test("A log is opened, appended to and truncated, and the power goes at any moment, in any way")
    func storageWithPowerLoss() {
        explore(StorageSystem(StorageSystem.Options()), exhausts: true, reaches: [0, 1, 2, 3, 4, 5])
    }
}
