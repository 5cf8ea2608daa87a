/// Converts between rows of the table `objects` and the model.
enum ObjectRow {
  /// The columns that `object` reads.
  static func columns(_ dialect: SQLDialect) -> String {
    "id, code, name, type, description, \(dialect.json("metadata")), model_id, status"
  }
  /// The columns that `synced` reads.
  static func syncedColumns(_ dialect: SQLDialect) -> String { columns(dialect) + ", source, synced" }
  /// The longest list in a condition `IN (…)`. More statements cost little, and every engine accepts this length.
  private static let listLength = 500
  /// The number of rows per insert: as SQL values they take more memory than as objects.
  private static let insertLength = 10_000

  static func object(_ row: SQLRow) -> CatalogueObject {
    CatalogueObject(
      id: row.text(0), code: row.text(1), name: row.text(2), type: row.text(3), description: row.optionalText(4),
      model: row.optionalText(6), status: row.optionalText(7), metadata: row.text(5))
  }

  static func synced(_ row: SQLRow) -> SyncedObject {
    SyncedObject(object: object(row), source: row.optionalText(8), synced: row.optionalText(9))
  }

  static func insert(_ objects: [SyncedObject], in session: any SQLSession) throws(StoreError) {
    if objects.isEmpty { return }
    let now = SQLValue.integer(try session.query("SELECT \(session.dialect.now)").first?.integer(0) ?? 0)
    // Sorted as lists and searches read: SQLite stores rows in insertion order, and random order makes the index over
    // the codes, and every search, several times as slow.
    let sorted = objects.sorted { $0.object.code < $1.object.code }
    var start = 0
    while start < sorted.count {
      let batch = sorted[start..<min(start + insertLength, sorted.count)]
      try session.insert(
        into: "objects",
        [
          "id", "code", "name", "type", "description", "metadata", "model_id", "status", "source", "synced",
          "updated_at",
        ],
        batch.map { values($0, now) })
      start += batch.count
    }
  }

  private static func values(_ row: SyncedObject, _ now: SQLValue) -> [SQLValue] {
    let object = row.object
    return [
      .text(object.id), .text(object.code), .text(object.name), .text(object.type), SQLValue(object.description),
      .text(object.metadata), SQLValue(object.model), SQLValue(object.status), SQLValue(row.source),
      SQLValue(row.synced), now,
    ]
  }

  /// Runs `body` for batches of `values`, with the list `$1, $2 …` that represents them in SQL.
  static func inBatches(
    _ values: [String], _ body: (_ list: String, _ values: [SQLValue]) throws(StoreError) -> Void
  ) throws(StoreError) {
    var start = 0
    while start < values.count {
      let batch = values[start..<min(start + listLength, values.count)]
      try body((1...batch.count).map { "$\($0)" }.joined(separator: ", "), batch.map { .text($0) })
      start += batch.count
    }
  }
}
