/// A configuration to begin with, as `pointgate init NAME` prints it.
///
/// `demo` and `ecoctrl` are `config/demo.yaml` and `config/ecoctrl.yaml` to the byte (a test compares them).
struct Starter: Sendable {
  let name: String
  /// What it is for, in a few words.
  let summary: String
  let text: String

  static let all = [demo, ecoctrl, twoVendors]

  static func named(_ name: String) -> Starter? { all.first { $0.name == name } }
}
