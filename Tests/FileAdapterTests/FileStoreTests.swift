import Foundation
import Machine
import TestSupport
import Testing

@testable import FileAdapter

/// Each operation on real files.
@Suite struct FileStoreTests {
    @Test func appendCreatesTheFileAndReadSeesIt() async throws {
        let store = Store()
        #expect(try await store.ask(.append("one ")) == .done)
        #expect(try await store.ask(.append("two")) == .done)
        #expect(try await store.ask(.readAll()) == .text("one two"))
        #expect(try await store.ask(.read(.log, offset: 4, length: 2)) == .text("tw"))
        #expect(try await store.ask(.read(.log, offset: 4, length: 1 << 40)) == .text("two"))
        #expect(try await store.ask(.read(.log, offset: 100, length: 10)) == .text(""))
        let mode = try FileManager.default.attributesOfItem(atPath: store.folder.file("db.txt"))[.posixPermissions] as? Int
        #expect(mode.map { $0 & 0o700 } == 0o600)
    }

    @Test func everyByteSurvives() async throws {
        let store = Store()
        var bytes: [UInt8] = []
        var random = SeededRandom(seed: 1)
        for _ in 0..<300 {
            let chunk = (0..<random.next(upperBound: UInt64(20_000))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            bytes += chunk
            store.send(.append(.log, chunk))
        }
        #expect(try await store.ask(.read(.log, offset: 0, length: bytes.count + 1)) == .data(bytes))
        #expect(try await store.ask(.list) == .listing([FileEntry(file: .log, size: Int64(bytes.count))]))
    }

    @Test func listShowsWhatExists() async throws {
        let store = Store()
        #expect(try await store.ask(.list) == .listing([]))
        store.send(.append("x"), .append("four", to: .rollback))
        #expect(try await store.ask(.list) == .listing([FileEntry(file: .log, size: 1), FileEntry(file: .rollback, size: 4)]))
    }

    @Test func truncateCutsAndAppendGoesOnThere() async throws {
        let store = Store()
        store.send(.append("keep, lose"), .truncate(.log, size: 4), .append("!"))
        #expect(try await store.ask(.readAll()) == .text("keep!"))
    }

    @Test func renameReplacesAndTheRolesFollow() async throws {
        let store = Store()
        store.send(.append("old"), .append("new", to: .rollback))
        // Both are open by now.
        #expect(try await store.ask(.readAll(.rollback)) == .text("new"))
        store.send(.sync(.rollback), .rename(.rollback, to: .log), .syncDirectory, .append("er"))
        #expect(try await store.ask(.readAll()) == .text("newer"))
        #expect(try await store.ask(.readAll(.rollback)).error?.code == .notFound)
        #expect(store.content("db.txt") == "newer")
        #expect(store.content("rollback.txt") == nil)
        #expect(try await store.ask(.append("again", to: .rollback)) == .done)
        #expect(store.content("rollback.txt") == "again")
    }

    @Test func aLogThatIsPutAsideStaysBesideTheNextOne() async throws {
        let store = Store()
        store.send(.append("old"), .sync(.log), .rename(.log, to: .aside("7")), .syncDirectory, .append("new"))
        #expect(try await store.ask(.readAll()) == .text("new"))
        #expect(store.content("db.txt.aside-7") == "old" && store.content("db.txt") == "new")
        #expect(try await store.ask(.list) == .listing([FileEntry(file: .log, size: 3)]))
    }

    @Test func removeAndBeginAnew() async throws {
        let store = Store()
        store.send(.append("first"), .remove(.log))
        #expect(try await store.ask(.list) == .listing([]))
        #expect(try await store.ask(.readAll()).error?.code == .notFound)
        store.send(.append("second"))
        #expect(try await store.ask(.readAll()) == .text("second"))
        #expect(store.content("db.txt") == "second")
    }

    @Test func theFilesOutliveTheStore() async throws {
        let folder = TemporaryFolder("store")
        do {
            let store = Store(in: folder)
            store.send(.lock, .append("here"), .sync(.log), .syncDirectory)
            store.files.shutDown()
            #expect(store.completed.map(\.result) == [.done, .done, .done, .done])
        }
        #expect(try await Store(in: folder).ask(.readAll()) == .text("here"))
    }

    @Test func aSymbolicLinkIsFollowed() async throws {
        let folder = TemporaryFolder("store")
        try FileManager.default.createDirectory(atPath: folder.file("disk"), withIntermediateDirectories: false)
        try Data("old".utf8).write(to: URL(fileURLWithPath: folder.file("disk/real.txt")))
        try FileManager.default.createSymbolicLink(atPath: folder.file("db.txt"), withDestinationPath: "disk/real.txt")
        let store = Store(in: folder)
        store.send(.append("new", to: .rollback), .rename(.rollback, to: .log))
        #expect(try await store.ask(.readAll()) == .text("new"))
        #expect(store.content("disk/real.txt") == "new")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("db.txt")) == "disk/real.txt")
    }

    @Test func afterShutDownNothingHappens() async throws {
        let store = Store()
        store.files.shutDown()
        store.send(.append("late"))
        #expect(store.completed == [])
        #expect(store.content("db.txt") == nil)
    }
}

/// One process per store.
@Suite struct StoreLockTests {
    @Test func aSecondStoreIsRefusedAndToldWhoHasIt() async throws {
        let first = Store()
        let second = Store(in: first.folder)
        #expect(try await first.ask(.lock) == .done)
        #expect(try await first.ask(.lock) == .done)
        let error = try #require(try await second.ask(.lock).error)
        #expect(error.code == .locked)
        #expect(error.detail == "\(first.folder.file("db.txt")) is in use by another process (pid \(getpid()))")
        first.files.shutDown()
        #expect(try await second.ask(.lock) == .done)
    }

    @Test func theLockSurvivesARenameOfTheLog() async throws {
        let first = Store()
        let second = Store(in: first.folder)
        first.send(.lock, .append("x"), .append("y", to: .rollback), .rename(.rollback, to: .log), .remove(.log))
        #expect(try await first.ask(.list) == .listing([]))
        #expect(try await second.ask(.lock).error?.code == .locked)
    }

    @Test func theLockGoesWithAProcessThatDies() async throws {
        let folder = TemporaryFolder("store")
        let path = folder.file("db.txt")
        let holder = try ChildProcess(
            ["flock", "--no-fork", "\(path).lock", "sh", "-c", "echo held; exec sleep 600"], output: folder.file("out"))
        try await eventually("another process holds the lock") { holder.output.contains("held") }
        let store = Store(in: folder)
        let error = try #require(try await store.ask(.lock).error)
        #expect(error.code == .locked && error.detail.contains(path))
        holder.kill()
        #expect(try await store.ask(.lock) == .done)
    }
}

/// Errors name the real path and say what the system said.
@Suite struct DiskErrorTests {
    @Test func missingFile() async throws {
        let store = Store()
        let path = store.folder.file("db.txt")
        for operation in [
            DiskOperation.readAll(), .sync(.log), .truncate(.log, size: 0), .remove(.log), .rename(.log, to: .rollback),
        ] {
            let error = try #require(try await store.ask(operation).error)
            #expect(error.code == .notFound)
            #expect(error.detail.contains(path) && error.detail.hasSuffix(": No such file or directory"), "\(error)")
        }
    }

    @Test func missingFolder() async throws {
        let store = Store(log: "no/such/db.txt")
        let path = store.folder.file("no/such/db.txt")
        let folder = store.folder.file("no/such")
        #expect(
            try await store.ask(.lock).error == DiskError(.notFound, "cannot open \(path).lock: there is no folder \(folder)"))
        #expect(
            try await store.ask(.append("x")).error == DiskError(.notFound, "cannot open \(path): there is no folder \(folder)")
        )
        #expect(
            try await store.ask(.syncDirectory).error
                == DiskError(.notFound, "cannot open \(folder): No such file or directory"))
    }

    @Test func aFolderInPlaceOfTheFile() async throws {
        let store = Store(log: ".")
        #expect(try await store.ask(.append("x")).error?.detail == "cannot open \(store.folder.file(".")): Is a directory")
        #expect(try await store.ask(.list).error?.detail == "cannot use \(store.folder.file(".")): Is a directory")
    }

    @Test func aFileInPlaceOfTheFolder() async throws {
        let folder = TemporaryFolder("store")
        try Data().write(to: URL(fileURLWithPath: folder.file("file")))
        let store = Store(in: folder, log: "file/db.txt")
        let expected = "cannot open \(folder.file("file/db.txt")): \(folder.file("file")) is not a folder"
        #expect(try await store.ask(.append("x")).error?.detail == expected)
        #expect(try await store.ask(.list).error?.detail == "cannot look at \(folder.file("file/db.txt")): Not a directory")
    }

    @Test func aPipeInPlaceOfTheFile() async throws {
        let folder = TemporaryFolder("store")
        #expect(mkfifo(folder.file("db.txt"), 0o600) == 0)
        let store = Store(in: folder)
        #expect(try await store.ask(.append("x")).error?.detail == "cannot use \(folder.file("db.txt")): not a regular file")
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func anUnreadableFile() async throws {
        let store = Store()
        #expect(
            FileManager.default.createFile(
                atPath: store.folder.file("db.txt"), contents: Data(), attributes: [.posixPermissions: 0]))
        let error = try #require(try await store.ask(.readAll()).error)
        #expect(error == DiskError(.permission, "cannot open \(store.folder.file("db.txt")): Permission denied"))
    }

    @Test func aFailedSyncSaysWhich() async throws {
        let store = Store(sync: { _ in
            errno = EIO
            return -1
        })
        store.send(.append("x"))
        #expect(
            try await store.ask(.sync(.log)).error
                == DiskError(.inputOutput, "cannot sync \(store.folder.file("db.txt")): Input/output error"))
    }

    @Test func anUnknownFile() async throws {
        #expect(
            try await Store().ask(.append("x", to: FileName("other"))).error
                == DiskError(.other, "the store has no file 'other'"))
    }

    @Test(arguments: [
        (ENOENT, DiskError.Code.notFound), (EACCES, .permission), (EPERM, .permission), (ENOSPC, .noSpace), (EDQUOT, .noSpace),
        (EROFS, .readOnly), (EIO, .inputOutput), (EMFILE, .other),
    ])
    func codes(_ number: Int32, _ code: DiskError.Code) { #expect(DiskError.Code(errno: number) == code) }
}
