import Foundation
import Machine
import TestSupport
import Wire

/// What can be hit, by the part that it plays at the moment.
enum ChaosTarget: String, CaseIterable {
    case primary, standby, master, server, zooKeeperLeader = "ZooKeeper's leader", zooKeeperFollower = "a ZooKeeper follower"
}

/// A single fault, of the kinds that processes and networks have.
enum ChaosFault {
    /// kill -9, and another life at the end.
    case kill(ChaosTarget)
    /// SIGSTOP until the end.
    case pause(ChaosTarget)
    /// Nothing reaches its host, and nothing comes from there.
    case cut(ChaosTarget)
    /// Two of them do not reach each other; all others reach both.
    case part(ChaosTarget, ChaosTarget)
    /// No ZooKeeper server reaches it.
    case zooKeeperCut(ChaosTarget)

    /// - Parameter network: whether there is one to cut.
    static func all(network: Bool) -> [ChaosFault] {
        let onProcesses = ChaosTarget.allCases.flatMap { [ChaosFault.kill($0), .pause($0)] }
        let onNetwork: [ChaosFault] =
            ChaosTarget.allCases.map { .cut($0) }
            + [
                .part(.primary, .standby), .part(.primary, .server), .part(.primary, .master),
                .part(.zooKeeperLeader, .zooKeeperFollower), .part(.standby, .zooKeeperFollower),
                .zooKeeperCut(.primary), .zooKeeperCut(.standby), .zooKeeperCut(.master),
            ]
        return network ? onProcesses + onNetwork : onProcesses
    }

    var text: String {
        switch self {
        case .kill(let target): "kill -9 of \(target.rawValue)"
        case .pause(let target): "SIGSTOP of \(target.rawValue)"
        case .cut(let target): "\(target.rawValue) cut off"
        case .part(let one, let other): "\(one.rawValue) and \(other.rawValue) cut off from each other"
        case .zooKeeperCut(let target): "\(target.rawValue) cut off from ZooKeeper"
        }
    }
}

/// Lets faults happen to a cluster, and ends them.
final class Chaos {
    private enum Victim: Hashable {
        case node(String)
        case zooKeeper(Int)
    }

    private let cluster: LiveCluster
    private let network: TestNetwork?
    private var killed: Set<Victim> = []
    private var paused: Set<Victim> = []

    init(_ cluster: LiveCluster, network: TestNetwork?) {
        self.cluster = cluster
        self.network = network
    }

    /// - Parameter group: whose primary and standby are meant.
    /// - Returns: whom it hit; nil where nobody plays that part.
    func begin(_ fault: ChaosFault, group: String, in status: ClusterStatus) throws -> String? {
        func find(_ target: ChaosTarget) -> Victim? { victim(target, group: group, in: status) }
        switch fault {
        case .kill(let target):
            guard let victim = find(target) else { return nil }
            switch victim {
            case .node(let name): cluster.kill(name)
            case .zooKeeper(let id): cluster.ensemble.kill(id)
            }
            killed.insert(victim)
            return name(victim)
        case .pause(let target):
            guard let victim = find(target) else { return nil }
            switch victim {
            case .node(let name): cluster.process(name).pause()
            case .zooKeeper(let id): cluster.ensemble.pause(id)
            }
            paused.insert(victim)
            return name(victim)
        case .cut(let target):
            guard let victim = find(target) else { return nil }
            try network?.cut(host(victim))
            return name(victim)
        case .part(let one, let other):
            guard let one = find(one), let other = find(other), one != other else { return nil }
            try network?.cut(host(one), host(other))
            return "\(name(one)) and \(name(other))"
        case .zooKeeperCut(let target):
            guard let victim = find(target) else { return nil }
            for server in cluster.ensemble.servers { try network?.cut(host(victim), server.host) }
            return name(victim)
        }
    }

    /// Everything runs again, and reaches everything.
    func end() throws {
        try network?.heal()
        for victim in paused {
            switch victim {
            case .node(let name): cluster.process(name).resume()
            case .zooKeeper(let id): cluster.ensemble.resume(id)
            }
        }
        paused = []
        for victim in killed {
            switch victim {
            case .node(let name): try cluster.launch(name)
            case .zooKeeper(let id): try cluster.ensemble.launch(id)
            }
        }
        killed = []
    }

    private func victim(_ target: ChaosTarget, group: String, in status: ClusterStatus) -> Victim? {
        switch target {
        case .primary: return status.primary(of: group).map { .node(cluster.node(at: $0).name) }
        case .standby: return status.standbys(of: group).first.map { .node(cluster.node(at: $0).name) }
        case .master: return status.master.map { .node(cluster.node(at: $0.address).name) }
        case .server:
            return cluster.servers.first { $0.address != status.master?.address }.map { .node($0.name) }
        case .zooKeeperLeader: return cluster.ensemble.leader.map { .zooKeeper($0) }
        case .zooKeeperFollower:
            let leader = cluster.ensemble.leader
            return cluster.ensemble.servers.first { $0.id != leader }.map { .zooKeeper($0.id) }
        }
    }

    private func host(_ victim: Victim) -> TestHost {
        switch victim {
        case .node(let name): cluster.node(name).host
        case .zooKeeper(let id): cluster.ensemble.servers[id - 1].host
        }
    }

    private func name(_ victim: Victim) -> String {
        switch victim {
        case .node(let name): name
        case .zooKeeper(let id): "zookeeper \(id)"
        }
    }
}
