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
  /// The effect beside added columns, for the operator.
  var change: String?
  /// Finds rows that the step can't convert. Runs before the statements.
  var check: @Sendable (any SQLSession) throws(StoreError) -> Void = { (_) throws(StoreError) in }
  /// Returns the step's statements in order.
  let statements: @Sendable (SQLDialect) -> [String]

  /// A description for `check --live`.
  var effect: String {
    var parts: [String] = []
    if creates { parts.append("creates table \(table)") }
    if !columns.isEmpty { parts.append("adds \(columns.joined(separator: ", ")) to table \(table)") }
    if let change { parts.append(change) }
    return "\(version) \(name): \(parts.joined(separator: ", "))"
  }

  /// All steps in order.
  static let all = [tokens, tokenLeases, objects, widgets, objectsByHand, widgetsByHand, readCodes]
  static let newest = all.last?.version ?? 0
}
