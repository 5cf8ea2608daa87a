import AdapterAPI

/// A row of `iot_tokens`, and what the rules say about it. Pure: no database, no clock.
struct TokenRecord: Sendable, Equatable {
  /// No lease is good for longer. One that claims to be was written before the database's clock was set back, or by
  /// hand, and does not count.
  static let longestLease: Int64 = 60_000
  /// Wall clocks that differ by less, in milliseconds, count as equal.
  static let clockTolerance: Int64 = 5000

  var id: Int64
  var adapter: String?
  var upstream: String?
  var access: String
  var refresh: String
  var expiresAt: Int64
  var version: Int64
  /// Nil in a row that was written without it.
  var lifetime: Int64?
  var updatedAt: Int64?
  var updatedBy: String?
  var leaseHolder: String?
  var leaseUntil: Int64?
  /// The database's clock when the row was read.
  var now: Int64

  /// Nil when the row holds no token that could be used; then it may be overwritten.
  var pair: StoredPair? {
    // Without a lifetime: what was left when it was written, as far as that is known.
    let (rest, overflow) = expiresAt.subtractingReportingOverflow(updatedAt ?? now)
    let token = try? Token(
      access: access, refresh: refresh, expiresAt: expiresAt, lifetime: lifetime ?? (overflow ? 0 : rest))
    return token.map { StoredPair(token: $0, version: version, left: left) }
  }

  /// `expires_at` is by the wall clock of whoever wrote it, and often cut to whole seconds. Who obtained the token knew
  /// its whole life; where both agree, that and the store's clock say more.
  private var left: Duration? {
    guard let lifetime, lifetime > 0, let updatedAt else { return nil }
    let (end, overflow) = updatedAt.addingReportingOverflow(lifetime)
    let (difference, overflow2) = end.subtractingReportingOverflow(expiresAt)
    let (rest, overflow3) = end.subtractingReportingOverflow(now)
    guard !overflow, !overflow2, !overflow3, difference.magnitude <= UInt64(Self.clockTolerance) else {
      return nil
    }
    return .milliseconds(rest)
  }

  /// The pair, as far as it is this key's: a token never goes where it did not come from.
  func pair(for key: TokenKey) -> StoredPair? { upstream == key.upstream ? pair : nil }

  /// How long the lease is still good, in milliseconds; 0 when there is none.
  var leaseLeft: Int64 {
    guard let leaseUntil, leaseHolder != nil else { return 0 }
    let (left, overflow) = leaseUntil.subtractingReportingOverflow(now)
    return overflow || left <= 0 || left > Self.longestLease ? 0 : left
  }

  /// How long somebody else's lease is still good; nil when there is none in the way.
  func held(against holder: String) -> Duration? {
    leaseHolder == holder || leaseLeft == 0 ? nil : .milliseconds(leaseLeft)
  }

  /// What `claim` answers. First what changed: a newer pair may make the lease needless.
  func claim(_ key: TokenKey, holder: String, seen: StoredPair?) -> ClaimOutcome {
    if let pair = pair(for: key), !pair.isUnchanged(since: seen) { return .changed(pair) }
    return held(against: holder).map { .held($0) } ?? .granted
  }

  /// What `save` answers when it may not write; nil when it may.
  func refusal(_ key: TokenKey, holder: String, replacing old: StoredPair?) -> SaveOutcome? {
    if let left = held(against: holder) { return .leased(left) }
    if let pair = pair(for: key), !pair.isUnchanged(since: old) { return .lost(pair) }
    return nil
  }

  /// The version of the pair that comes after both.
  static func version(after record: TokenRecord?, _ old: StoredPair?) -> Int64 {
    let last = max(record?.version ?? 0, old?.version ?? 0)
    return last == .max ? 1 : last + 1
  }
}

extension TokenRecord {
  /// Of a SELECT of these, in this order.
  static func columns(_ dialect: SQLDialect) -> String {
    """
    id, adapter, upstream, access_token, refresh_token, expires_at, version, lifetime_ms, updated_at, updated_by, \
    lease_holder, lease_until, \(dialect.now)
    """
  }

  init(_ row: SQLRow) {
    func number(_ column: Int) -> Int64? { row.isNull(column) ? nil : row.integer(column) }
    self.init(
      id: row.integer(0), adapter: row.optionalText(1), upstream: row.optionalText(2), access: row.text(3),
      refresh: row.text(4), expiresAt: row.integer(5), version: row.integer(6), lifetime: number(7),
      updatedAt: number(8), updatedBy: row.optionalText(9), leaseHolder: row.optionalText(10), leaseUntil: number(11),
      now: row.integer(12))
  }
}
