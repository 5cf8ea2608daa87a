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
    let (sql, filters) = statement(session.dialect)
    var items: [CatalogueObject] = []
    var bytes = 0
    while true {
      let wanted = min(limit - items.count, Self.batch)
      // Codes are not empty, so all of them stand behind the empty one.
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

  /// The statement for a batch. Its parameters are the code that the batch begins behind, the filters' values, and how
  /// many objects to read.
  func statement(_ dialect: SQLDialect) -> (sql: String, filters: [SQLValue]) {
    var conditions = ["code > $1"]
    var order = "code"
    var filters: [SQLValue] = []
    if let type {
      filters.append(.text(type))
      // Means `type = $2 AND code > $1`. But that PostgreSQL may read in the order of `code` alone, through all objects of
      // other types on the way; in this order only the index over both leads.
      conditions = ["(type, code) > ($2, $1)", "type <= $2"]
      order = "type, code"
    }
    if let text, !text.isEmpty {
      // `lower` knows ASCII only, in SQLite and in PostgreSQL's collation "C".
      let lowered = text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
      filters.append(.text(String(decoding: lowered, as: UTF8.self)))
      let places = ["code", "name"].map { "\(dialect.position)(lower(\($0)), $\(filters.count + 1)) > 0" }
      conditions.append("(\(places.joined(separator: " OR ")))")
    }
    let sql = """
      SELECT \(ObjectRow.columns) FROM objects WHERE \(conditions.joined(separator: " AND "))
      ORDER BY \(order) LIMIT $\(filters.count + 2)
      """
    return (sql, filters)
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
