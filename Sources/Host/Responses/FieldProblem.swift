/// What is wrong with one field of what a caller sent.
struct FieldProblem: Sendable, Equatable {
  /// Counted from 1, where many objects came at once.
  let row: Int?
  /// The member's name or path, such as `layout.w`; empty: all of the row.
  let field: String
  /// A sentence's end or a whole one, for a person: "must be text".
  let message: String
}

/// Problems as they are found. Only the first ones are kept, so that a hostile body can't fill the memory; all count.
struct FieldProblems: Error, Sendable, Equatable {
  static let limit = 1000
  private(set) var listed: [FieldProblem] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ field: String, _ message: @autoclosure () -> String, row: Int? = nil) {
    count += 1
    if listed.count < Self.limit { listed.append(FieldProblem(row: row, field: field, message: message())) }
  }

  mutating func add(_ others: FieldProblems) {
    listed.append(contentsOf: others.listed.prefix(Self.limit - listed.count))
    count += others.count
  }
}
