/// The checkout that the tests were built from.
public enum Repository {
    public static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    /// The absolute path of a file, given from the top of the checkout.
    public static func path(_ relative: String) -> String { "\(root)/\(relative)" }
}
