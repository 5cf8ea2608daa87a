/// One numbered step of the schema, the same for every engine. Steps are only ever added.
struct Migration: Sendable {
  let version: Int64
  let name: String
  /// The table that it makes or extends.
  let table: String
  /// It makes `table`: a table of that name that is there already is somebody else's.
  let creates: Bool
  /// The columns that it adds, where `creates` is false.
  var columns: [String] = []
  /// Its statements, in order.
  let statements: @Sendable (SQLDialect) -> [String]

  /// In words, for `check --live`.
  var effect: String {
    let what = creates ? "creates table \(table)" : "adds \(columns.joined(separator: ", ")) to table \(table)"
    return "\(version) \(name): \(what)"
  }

  /// Every step, in order.
  static let all = [tokens, tokenLeases, objects, widgets]
  static let newest = all.last?.version ?? 0
}
