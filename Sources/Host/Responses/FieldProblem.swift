/// The reason why one field of a request was rejected.
struct FieldProblem: Sendable, Equatable {
  /// In a request with many objects, the object's number counted from 1; in CSV the row as a spreadsheet shows it.
  let row: Int?
  /// The member's name or path, such as `layout.w`; empty for the whole object.
  let field: String
  /// A message for the caller: a sentence, or the end of one after the field's name, such as "must be text".
  let message: String
}

/// Collects problems. Counts all of them but stores only the first ones, so that a hostile body can't fill the memory.
struct FieldProblems: Error, Sendable, Equatable {
  static let limit = 1000
  private(set) var listed: [FieldProblem] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ field: String, _ message: @autoclosure () -> String, row: Int? = nil) {
    count += 1
    if listed.count < Self.limit { listed.append(FieldProblem(row: row, field: field, message: message())) }
  }

  mutating func add(_ more: FieldProblems) {
    listed.append(contentsOf: more.listed.prefix(Self.limit - listed.count))
    count += more.count
  }
}
