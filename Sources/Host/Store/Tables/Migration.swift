/// One numbered step of the schema, the same for every engine. Steps are only ever added.
struct Migration: Sendable {
  let version: Int64
  let name: String
  /// The table that the step creates or extends.
  let table: String
  /// The step creates `table`: an existing table of that name belongs to another program.
  let creates: Bool
  /// The columns that the step adds, when `creates` is false.
  var columns: [String] = []
  /// Returns the step's statements in order.
  let statements: @Sendable (SQLDialect) -> [String]

  /// A description for `check --live`.
  var effect: String {
    let what = creates ? "creates table \(table)" : "adds \(columns.joined(separator: ", ")) to table \(table)"
    return "\(version) \(name): \(what)"
  }

  /// All steps in order.
  static let all = [tokens, tokenLeases, objects, widgets]
  static let newest = all.last?.version ?? 0
}
