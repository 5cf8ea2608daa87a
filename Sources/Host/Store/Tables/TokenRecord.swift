import AdapterAPI

/// A row of `iot_tokens` with the rules for it. Uses no database and no clock.
struct TokenRecord: Sendable, Equatable {
  /// The longest valid lease, in milliseconds. A longer one was written before the database's clock was set back, or by
  /// hand, and is ignored.
  static let longestLease: Int64 = 60_000
  /// The difference, in milliseconds, below which two wall clocks count as equal.
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
  /// The database's clock when the row was read, in milliseconds since the epoch.
  var now: Int64

  /// The stored pair; nil when the row has no usable token. Such a row may be overwritten.
  var pair: StoredPair? {
    let token =
      if let lifetime {
        try? Token(access: access, refresh: refresh, expiresAt: expiresAt, lifetime: lifetime)
      } else {
        takenOver
      }
    return token.map { StoredPair(token: $0, version: version, left: left) }
  }

  /// The pair of a row that another program wrote, without the token's lifetime. The token itself states it, or else the validity when
  /// the row was written is used, as far as that time is known. Of two ends the earlier one holds: a renewal that is early costs one
  /// exchange, one that is late a refused call.
  private var takenOver: Token? {
    let times = TokenTimes(of: access)
    return try? Token(
      access: access, refresh: refresh, expiresAt: min(expiresAt, times?.expiresAt ?? .max),
      lifetime: times?.lifetime ?? validityWhenWritten ?? 0)
  }

  private var validityWhenWritten: Int64? {
    guard let updatedAt else { return nil }
    let (validity, overflow) = expiresAt.subtractingReportingOverflow(updatedAt)
    return overflow || validity <= 0 ? nil : validity
  }

  /// The remaining validity by the database's clock. `expires_at` is by the writer's wall clock and often rounded to
  /// seconds; the lifetime and the time of writing are more precise. They are used only when they agree with
  /// `expires_at`.
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

  /// Returns the pair if it belongs to this key's upstream: a token is only sent to the upstream that issued it.
  func pair(for key: TokenKey) -> StoredPair? { upstream == key.upstream ? pair : nil }

  /// The remaining time of the lease in milliseconds; 0 when there is none.
  var leaseLeft: Int64 {
    guard let leaseUntil, leaseHolder != nil else { return 0 }
    let (left, overflow) = leaseUntil.subtractingReportingOverflow(now)
    return overflow || left <= 0 || left > Self.longestLease ? 0 : left
  }

  /// Returns the remaining time of another holder's lease; nil when there is none.
  func held(against holder: String) -> Duration? {
    leaseHolder == holder || leaseLeft == 0 ? nil : .milliseconds(leaseLeft)
  }

  /// Returns the outcome of `claim`. A changed pair is reported first, because a newer pair may make the lease
  /// needless.
  func claim(_ key: TokenKey, holder: String, seen: StoredPair?) -> ClaimOutcome {
    if let pair = pair(for: key), !pair.isUnchanged(since: seen) { return .changed(pair) }
    return held(against: holder).map { .held($0) } ?? .granted
  }

  /// Returns the reason why `save` may not write; nil when it may.
  func refusal(_ key: TokenKey, holder: String, replacing old: StoredPair?) -> SaveOutcome? {
    if let left = held(against: holder) { return .leased(left) }
    if let pair = pair(for: key), !pair.isUnchanged(since: old) { return .lost(pair) }
    return nil
  }

  /// Returns the version after both.
  static func version(after record: TokenRecord?, _ old: StoredPair?) -> Int64 {
    let last = max(record?.version ?? 0, old?.version ?? 0)
    return last == .max ? 1 : last + 1
  }
}

extension TokenRecord {
  /// Returns the columns that `init` reads, in order.
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
