import ClusterSimulation
import Foundation

/// The optimised program beside these tests, where the environment names one: scripts/test.sh does.
enum ReleaseBuild {
    static let binary: String? = ProcessInfo.processInfo.environment["AVIARY_BINARY"].flatMap {
        FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil
    }

    /// The trace hash of each seed, as that program computes it.
    static func hashes(of seeds: ClosedRange<UInt64>, _ binary: String) async throws -> [UInt64: String] {
        var arguments = ["sim", "sweep", "--seeds", "\(seeds.lowerBound)..\(seeds.upperBound)", "--hashes"]
        arguments += ["--profile", Seeds.profile.rawValue]
        if let mode = Seeds.mode { arguments += ["--mode", mode.rawValue] }
        let process = Process()
        process.executableURL = URL(filePath: binary)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // Read to the end in a thread of its own: the pipe must not fill, and no task must be held up.
        let data = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: output.fileHandleForReading.readDataToEndOfFile()) }
        }
        process.waitUntilExit()
        var hashes: [UInt64: String] = [:]
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let seed = UInt64(words[0]) { hashes[seed] = String(words[1]) }
        }
        return hashes
    }
}
