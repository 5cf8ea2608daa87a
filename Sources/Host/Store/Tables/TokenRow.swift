/// A row of the tokens' table as a person may see it: never the token.
struct TokenRow: Sendable, Equatable {
  /// Nil for a row that names none, as EcoCtrl writes it.
  let adapter: String?
  /// Type and address of the upstream that the pair came from; nil when the row does not say.
  let upstream: String?
  /// Milliseconds since the epoch; nil when there is no pair yet.
  let expiresAt: Int64?
  /// Milliseconds since the epoch, by the database's clock.
  let updatedAt: Int64?
  /// The process that stored the pair.
  let updatedBy: String?
  let version: Int64
  /// Somebody is renewing it now.
  let isLeased: Bool
  /// The first 8 hexadecimal digits of the access token's SHA-256; nil when there is no pair yet.
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

  /// `type|address|hash of the account`, of which the last part is nobody's business.
  private static func withoutAccount(_ upstream: String) -> String {
    let parts = upstream.split(separator: "|", omittingEmptySubsequences: false)
    return parts.prefix(2).joined(separator: " ")
  }
}

extension Store {
  /// Every row of the tokens' table, the lowest id first. Reads only.
  func tokenRows(fingerprint: (@Sendable (String) -> String)? = nil) async throws(StoreError) -> [TokenRow] {
    try await database.transaction(.tokens, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      try TokenTable(session).all().map { TokenRow($0, fingerprint: fingerprint) }
    }
  }
}
