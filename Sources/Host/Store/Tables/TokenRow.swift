/// A row of the token table as the operator may see it, without the token.
struct TokenRow: Sendable, Equatable {
  /// Nil for a row that names no adapter, as EcoCtrl writes it.
  let adapter: String?
  /// Type and address of the upstream that issued the pair; nil when the row does not say.
  let upstream: String?
  /// Milliseconds since the epoch; nil when there is no pair yet.
  let expiresAt: Int64?
  /// Milliseconds since the epoch, by the database's clock.
  let updatedAt: Int64?
  /// The process that stored the pair.
  let updatedBy: String?
  let version: Int64
  /// A process is renewing the pair.
  let isLeased: Bool
  /// The access token's fingerprint; nil when there is no pair yet, or none was requested.
  let fingerprint: String?
}

extension TokenRow {
  init(_ record: TokenRecord, fingerprint: ((String) -> String)?) {
    let token = record.pair?.token
    self.init(
      adapter: record.adapter, upstream: record.upstream.map(Self.withoutAccount), expiresAt: token?.expiresAt,
      updatedAt: record.updatedAt, updatedBy: record.updatedBy, version: record.version,
      isLeased: record.leaseLeft > 0, fingerprint: token.flatMap { fingerprint?($0.access) })
  }

  /// Removes the last part of `type
  /// address
  /// hash of the account`, which is not for display.
  private static func withoutAccount(_ upstream: String) -> String {
    let parts = upstream.split(separator: "|", omittingEmptySubsequences: false)
    return parts.prefix(2).joined(separator: " ")
  }
}

extension Store {
  /// Returns all rows of the token table, the lowest id first. Reads only.
  ///
  /// - Parameter fingerprint: maps an access token to text that identifies it without revealing it.
  func tokenRows(fingerprint: (@Sendable (String) -> String)? = nil) async throws(StoreError) -> [TokenRow] {
    try await database.transaction(.tokens, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      try TokenTable(session).all().map { TokenRow($0, fingerprint: fingerprint) }
    }
  }
}
