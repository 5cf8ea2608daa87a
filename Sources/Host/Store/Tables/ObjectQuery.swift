/// The filters and the page of an object list.
struct ObjectQuery: Sendable {
  /// Matches the whole type.
  var type: String?
  /// Matches a part of the code or the name. ASCII letters match in either case.
  var text: String?
  /// The filters on metadata, all of which apply.
  var metadata: [MetadataFilter] = []
  /// The page starts after this code.
  var after: String?
  var limit: Int

  /// The number of metadata bytes after which a page ends early: 1000 objects may have 256 MiB.
  static let pageBytes = 16 << 20
  /// The number of objects that one statement reads.
  static let batch = 250

  /// Reads the page in batches, so that few rows are read that do not fit into the page.
  func page(in session: any SQLSession) throws(StoreError) -> (items: [CatalogueObject], hasMore: Bool) {
    // Stored texts contain no NUL, and PostgreSQL does not take one as a parameter.
    for text in [type, text, after] where text?.utf8.contains(0) == true { return ([], false) }
    let (sql, filters) = statement(session.dialect)
    var items: [CatalogueObject] = []
    var bytes = 0
    while true {
      let wanted = min(limit - items.count, Self.batch)
      // Codes are not empty, so all of them sort after the empty text.
      let start = SQLValue.text(items.last?.code ?? after ?? "")
      let rows = try session.query(sql, [start] + filters + [.integer(Int64(wanted) + 1)])
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

  /// Returns the statement for a batch. Its parameters are the code after which the batch starts, the filters' values,
  /// and the number of objects to read.
  func statement(_ dialect: SQLDialect) -> (sql: String, filters: [SQLValue]) {
    var conditions = ["code > $1"]
    var order = "code"
    var filters: [SQLValue] = []
    if let type {
      filters.append(.text(type))
      // Equivalent to `type = $2 AND code > $1`. For that form PostgreSQL may choose the index over `code` alone and
      // read through all objects of other types; this form can only use the index over both.
      conditions = ["(type, code) > ($2, $1)", "type <= $2"]
      order = "type, code"
    }
    if let text, !text.isEmpty {
      // `lower` converts ASCII only, in SQLite and in PostgreSQL's collation "C".
      let lowered = text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
      filters.append(.text(String(decoding: lowered, as: UTF8.self)))
      let places = ["code", "name"].map { "\(dialect.position)(lower(\($0)), $\(filters.count + 1)) > 0" }
      conditions.append("(\(places.joined(separator: " OR ")))")
    }
    for filter in metadata {
      let contained = filter.patterns.map { pattern in
        filters.append(.text(pattern))
        return dialect.contains("metadata", "$\(filters.count + 1)")
      }
      conditions.append("(\(contained.joined(separator: " OR ")))")
    }
    let sql = """
      SELECT \(ObjectRow.columns(dialect)) FROM objects WHERE \(conditions.joined(separator: " AND "))
      ORDER BY \(order) LIMIT $\(filters.count + 2)
      """
    return (sql, filters)
  }
}

/// Matches objects whose metadata contain one of the patterns.
struct MetadataFilter: Sendable, Equatable {
  /// JSON objects as text. Every number in them can be stored.
  let patterns: [String]
}

extension SQLDialect {
  /// The condition that the JSON object in `column` has every member of the pattern, at any depth.
  fileprivate func contains(_ column: String, _ pattern: String) -> String {
    switch self {
    case .sqlite: "metadata_contains(\(column), \(pattern))"
    case .postgres: "\(column) @> \(pattern)::jsonb"
    }
  }

  /// The function that returns the position of a part in a text, 0 when absent.
  fileprivate var position: String {
    switch self {
    case .sqlite: "instr"
    case .postgres: "strpos"
    }
  }
}
