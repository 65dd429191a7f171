/// The methods that a node's machine answers.
enum UnaryMethod: Int, CaseIterable {
    case put, get, delete, openSession, status, routes, transfer, recover

    var path: String {
        switch self {
        case .put: "/aviary.v1.KV/Put"
        case .get: "/aviary.v1.KV/Get"
        case .delete: "/aviary.v1.KV/Delete"
        case .openSession: "/aviary.v1.KV/OpenSession"
        case .status: "/aviary.v1.Cluster/Status"
        case .routes: "/aviary.v1.Cluster/Routes"
        case .transfer: "/aviary.v1.Cluster/Transfer"
        case .recover: "/aviary.v1.Cluster/Recover"
        }
    }

    /// How many calls C-core may take from the network ahead of the queue's thread.
    var callsAhead: Int {
        switch self {
        case .put, .get: 64
        case .delete: 16
        case .openSession: 4
        case .status: 2
        case .routes: 4
        case .transfer, .recover: 1
        }
    }
}
