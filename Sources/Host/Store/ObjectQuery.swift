/// Which objects a list asks for.
struct ObjectQuery: Sendable {
  /// Exactly this type.
  var type: String?
  /// A part of the code or the name; ASCII letters match in either case.
  var text: String?
  /// The page begins behind this code.
  var after: String?
  var limit: Int

  /// A page ends early behind so many bytes of metadata, and then there is more: 1000 objects may have 256 MiB.
  static let pageBytes = 16 << 20
  /// How many objects are read at once.
  static let batch = 250

  /// Reads the page, a batch at a time, so that little is read that the page has no room for.
  func page(in session: any SQLSession) throws(StoreError) -> (items: [CatalogueObject], hasMore: Bool) {
    // No text that is stored holds a NUL, and not every engine can be asked for one.
    for text in [type, text, after] where text?.utf8.contains(0) == true { return ([], false) }
    let (condition, values) = condition(session.dialect)
    let sql = """
      SELECT \(ObjectRow.columns) FROM objects WHERE code > $1 AND \(condition)
      ORDER BY code LIMIT $\(values.count + 2)
      """
    var items: [CatalogueObject] = []
    var bytes = 0
    while true {
      let wanted = min(limit - items.count, Self.batch)
      // Codes are not empty, so all of them stand behind the empty one.
      let start = SQLValue.text(items.last?.code ?? after ?? "")
      let rows = try session.query(sql, [start] + values + [.integer(Int64(wanted) + 1)])
      var count = 0
      while count < min(wanted, rows.count), bytes < Self.pageBytes {
        let object = ObjectRow.object(rows[count])
        bytes += object.metadata.utf8.count
        items.append(object)
        count += 1
      }
      if count == rows.count { return (items, false) }
      if items.count >= limit || bytes >= Self.pageBytes { return (items, true) }
    }
  }

  /// What the rows have to fulfil, with parameters from `$2` on.
  private func condition(_ dialect: SQLDialect) -> (sql: String, values: [SQLValue]) {
    var conditions: [String] = []
    var values: [SQLValue] = []
    if let type {
      values.append(.text(type))
      conditions.append("type = $\(values.count + 1)")
    }
    if let text, !text.isEmpty {
      // `lower` knows ASCII only, in SQLite and in PostgreSQL's collation "C".
      let lowered = text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
      values.append(.text(String(decoding: lowered, as: UTF8.self)))
      let places = ["code", "name"].map { "\(dialect.position)(lower(\($0)), $\(values.count + 1)) > 0" }
      conditions.append("(\(places.joined(separator: " OR ")))")
    }
    return (conditions.isEmpty ? "true" : conditions.joined(separator: " AND "), values)
  }
}

extension SQLDialect {
  /// The function of a text and a part that tells where the part stands in it, 0 for nowhere.
  fileprivate var position: String {
    switch self {
    case .sqlite: "instr"
    case .postgres: "strpos"
    }
  }
}
