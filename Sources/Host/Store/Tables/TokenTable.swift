import AdapterAPI

/// The statements on `iot_tokens` within one transaction.
struct TokenTable {
  private let session: any SQLSession
  private var now: String { session.dialect.now }
  private var columns: String { TokenRecord.columns(session.dialect) }

  /// Selects a row without a pair, which exists for its lease only.
  private static let isPlaceholder = "access_token = '' AND expires_at = 0"
  /// Selects a row without an adapter, as EcoCtrl writes it.
  private static let isOrphan = "adapter IS NULL AND access_token <> ''"
  /// The channel of `pg_notify`.
  static let channel = "pointgate_tokens"

  init(_ session: any SQLSession) { self.session = session }

  func record(of key: TokenKey) throws(StoreError) -> TokenRecord? {
    try session.query("SELECT \(columns) FROM iot_tokens WHERE adapter = $1", [.text(key.adapter)])
      .first.map { TokenRecord($0) }
  }

  func all() throws(StoreError) -> [TokenRecord] {
    try session.query("SELECT \(columns) FROM iot_tokens ORDER BY id LIMIT 1000").map { TokenRecord($0) }
  }

  func hasOrphan() throws(StoreError) -> Bool {
    !(try session.query("SELECT 1 FROM iot_tokens WHERE \(Self.isOrphan) LIMIT 1").isEmpty)
  }

  // MARK: In a writing transaction

  /// Returns the adapter's row, locked. An adapter without a row adopts one that names no adapter, if it may.
  func adopted(_ key: TokenKey) throws(StoreError) -> TokenRecord? {
    if let record = try locked("adapter = $1", [.text(key.adapter)]) { return record }
    guard key.adopts, let orphan = try locked("\(Self.isOrphan) ORDER BY id LIMIT 1", []) else { return nil }
    // While this transaction waited for the lock, another process may have created the adapter's row.
    if let record = try locked("adapter = $1", [.text(key.adapter)]) { return record }
    try session.run(
      "UPDATE iot_tokens SET adapter = $1, upstream = $2 WHERE id = $3",
      [.text(key.adapter), .text(key.upstream), .integer(orphan.id)])
    var record = orphan
    record.adapter = key.adapter
    record.upstream = key.upstream
    return record
  }

  func lease(_ record: TokenRecord, _ key: TokenKey, holder: String, for time: Duration) throws(StoreError) {
    let id = try key.isDefault ? lowest(record) : record.id
    try session.run(
      "UPDATE iot_tokens SET id = $1, lease_holder = $2, lease_until = \(now) + $3 WHERE id = $4",
      [.integer(id), .text(holder), .integer(Self.milliseconds(time)), .integer(record.id)])
  }

  func extend(_ key: TokenKey, holder: String, for time: Duration) throws(StoreError) -> Bool {
    // An expired lease may be extended unless another holder took it, which replaces the holder.
    try session.run(
      "UPDATE iot_tokens SET lease_until = \(now) + $3 WHERE adapter = $1 AND lease_holder = $2",
      [.text(key.adapter), .text(holder), .integer(Self.milliseconds(time))]) > 0
  }

  func release(_ key: TokenKey, holder: String) throws(StoreError) {
    let values = [SQLValue.text(key.adapter), .text(holder)]
    try session.run(
      "DELETE FROM iot_tokens WHERE adapter = $1 AND lease_holder = $2 AND \(Self.isPlaceholder)", values)
    try session.run(
      "UPDATE iot_tokens SET lease_holder = NULL, lease_until = NULL WHERE adapter = $1 AND lease_holder = $2", values)
  }

  func insertPlaceholder(_ key: TokenKey, holder: String, for time: Duration) throws(StoreError) {
    // Version 0: the first pair gets version 1.
    try insert(
      key,
      [("access_token", ""), ("refresh_token", ""), ("lease_holder", holder)].map { ($0.0, .text($0.1)) }
        + [("expires_at", .integer(0)), ("version", .integer(0))],
      clock: ("lease_until", Self.milliseconds(time)))
  }

  func insert(_ pair: StoredPair, _ key: TokenKey, holder: String) throws(StoreError) {
    try insert(key, Self.columns(pair, key, holder: holder), clock: ("updated_at", 0))
  }

  /// Writes the pair and removes the lease.
  func update(_ record: TokenRecord, _ pair: StoredPair, _ key: TokenKey, holder: String) throws(StoreError) {
    let columns = Self.columns(pair, key, holder: holder)
    let list = columns.indices.map { "\(columns[$0].0) = $\($0 + 2)" }.joined(separator: ", ")
    try session.run(
      """
      UPDATE iot_tokens SET \(list), updated_at = \(now), lease_holder = NULL, lease_until = NULL WHERE id = $1
      """, [.integer(record.id)] + columns.map(\.1))
  }

  /// Notifies the other processes when the transaction commits.
  func announce(_ pair: StoredPair, _ key: TokenKey) throws(StoreError) {
    guard session.dialect == .postgres else { return }
    _ = try session.query(
      "SELECT pg_notify('\(Self.channel)', current_schema() || ' ' || CAST($1 AS text))",
      [.text("\(key.adapter) \(pair.version)")])
  }

  // MARK: Private helpers

  private func locked(_ condition: String, _ values: [SQLValue]) throws(StoreError) -> TokenRecord? {
    try session.query(
      "SELECT \(columns) FROM iot_tokens WHERE \(condition)\(session.dialect.forUpdate)", values
    ).first.map { TokenRecord($0) }
  }

  private static func columns(_ pair: StoredPair, _ key: TokenKey, holder: String) -> [(String, SQLValue)] {
    [
      ("access_token", .text(pair.token.access)), ("refresh_token", .text(pair.token.refresh)),
      ("expires_at", .integer(pair.token.expiresAt)), ("upstream", .text(key.upstream)),
      ("version", .integer(pair.version)), ("lifetime_ms", .integer(pair.token.lifetime)),
      ("updated_by", .text(holder)),
    ]
  }

  /// - Parameter clock: a column that gets the database's time plus this number of milliseconds.
  private func insert(
    _ key: TokenKey, _ columns: [(String, SQLValue)], clock: (column: String, plus: Int64)
  ) throws(StoreError) {
    var columns = columns.filter { $0.0 != "upstream" }
    columns += [("adapter", .text(key.adapter)), ("upstream", .text(key.upstream))]
    if key.isDefault, let id = try idBelowAll() { columns.append(("id", .integer(id))) }
    let names = columns.map(\.0).joined(separator: ", ")
    let parameters = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    let made = try session.run(
      """
      INSERT INTO iot_tokens (\(names), \(clock.column)) VALUES (\(parameters), \(now) + $\(columns.count + 1))
      ON CONFLICT DO NOTHING
      """, columns.map(\.1) + [.integer(clock.plus)])
    // The caller repeats the transaction and finds the other process's row.
    if made == 0 { throw StoreError(.conflict, "Another process created the token's row at the same time.") }
  }

  /// Returns the id at which EcoCtrl, which takes the row with the lowest id, finds the default adapter's pair; nil in
  /// an empty table.
  private func idBelowAll() throws(StoreError) -> Int64? {
    guard let row = try session.query("SELECT min(id) FROM iot_tokens").first, !row.isNull(0) else { return nil }
    // PostgreSQL's `serial` has 32 bits.
    let lowest = row.integer(0)
    return lowest > Int64(Int32.min) ? lowest - 1 : nil
  }

  private func lowest(_ record: TokenRecord) throws(StoreError) -> Int64 {
    let isLowest = try session.query(
      "SELECT 1 FROM iot_tokens WHERE id < $1 LIMIT 1", [.integer(record.id)]
    ).isEmpty
    return isLowest ? record.id : try idBelowAll() ?? record.id
  }

  private static func milliseconds(_ time: Duration) -> Int64 {
    min(max(time.nanoseconds / 1_000_000, 0), TokenRecord.longestLease)
  }
}
