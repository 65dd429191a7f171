import ArgumentParser
import Foundation
import SimulationCommands

// The simulator alone, without what production needs: it builds in a minute. `aviary sim` is the same, exit codes included.
do {
    var command = try SimCommand.parseAsRoot()
    try command.run()
} catch let code as ExitCode {
    exit(code.rawValue)
} catch {
    guard SimCommand.exitCode(for: error) != .success else { SimCommand.exit(withError: error) }
    let message = SimCommand.message(for: error)
    let line = message.isEmpty ? "\(error)" : String(message.prefix { $0 != "\n" })
    FileHandle.standardError.write(Data("sim: \(line)\n".utf8))
    exit(2)
}
