import Foundation
import TestSupport
import Testing

/// A headless Chromium, where one is installed.
enum Browser {
    static let path: String? = {
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        for name in names {
            for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
                return "\(folder)/\(name)"
            }
        }
        return nil
    }()

    static let isMissing: Comment = "no Chromium is installed: the page is not tried in a browser (`make setup` brings one)"

    struct NoReport: Error, CustomStringConvertible {
        let description: String
    }

    /// Loads a page, runs checks in it, and gives what they found.
    ///
    /// The checks are statements of JavaScript that run when the page is ready; they fill `report`, whose `errors` has
    /// everything that went wrong in the page until they end.
    static func report<Report: Decodable>(_ type: Report.Type, of page: String, checks: String) async throws -> Report {
        let listening = """
            <script>
            const report = { errors: [] };
            addEventListener('error', event => report.errors.push(event.message));
            addEventListener('unhandledrejection', event => report.errors.push(String(event.reason)));
            addEventListener('securitypolicyviolation', event => report.errors.push('policy: ' + event.violatedDirective));
            console.error = (...parts) => report.errors.push(parts.join(' '));
            </script>
            """
        let checking = """
            <script>
            try { \(checks) } catch (error) { report.errors.push('check: ' + error); }
            const words = new TextEncoder().encode(JSON.stringify(report));
            const result = btoa(Array.from(words, byte => String.fromCharCode(byte)).join(''));
            document.documentElement.innerHTML = '<pre id="report">' + result + '</pre>';
            </script>
            """
        let whole = page.replacing("<head>", with: "<head>" + listening, maxReplacements: 1)
            .replacing("</body>", with: checking + "</body>")
        let output = try await run(whole, ["--dump-dom"])
        guard
            let match = output.firstMatch(of: /<pre id="report">([A-Za-z0-9+\/=]*)<\/pre>/),
            let json = Data(base64Encoded: String(match.1))
        else { throw NoReport(description: "the browser gave no report: \(output.suffix(2_000))") }
        return try JSONDecoder().decode(type, from: json)
    }

    /// Takes a picture of a page.
    static func screenshot(of page: String, to path: String) async throws {
        _ = try await run(page, ["--screenshot=\(path)"])
    }

    private static func run(_ page: String, _ arguments: [String]) async throws -> String {
        let folder = TemporaryFolder("browser")
        try page.write(toFile: folder.file("page.html"), atomically: true, encoding: .utf8)
        // Without its own sandbox, which root and most containers cannot have: it opens nothing but this page.
        let command =
            [
                try #require(path), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--user-data-dir=\(folder.file("profile"))", "--window-size=1440,900",
            ] + arguments + ["file://\(folder.file("page.html"))"]
        let browser = try ChildProcess(command, output: folder.file("output"))
        _ = try await browser.waitForExit(timeout: .seconds(90))
        return browser.output
    }
}
