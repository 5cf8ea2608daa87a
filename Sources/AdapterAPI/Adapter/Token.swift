/// An upstream's access token with what is needed to renew it. The host keeps it; an adapter only obtains and uses it.
public struct Token: Sendable, Equatable, CustomStringConvertible {
  /// What a call carries. Visible ASCII, so that it can stand in a header.
  public let access: String
  /// What `refresh` needs; empty when the upstream has none.
  public let refresh: String
  /// When the access token ends, in milliseconds since the epoch by the upstream's clock.
  public let expiresAt: Int64
  /// The lifetime the upstream gave it (`exp` − `iat`, else `exp` − now), in milliseconds, counted from receipt.
  public let lifetime: Int64

  /// - Throws: `AdapterError.malformed` when the access token could not stand in a header or is empty.
  public init(access: String, refresh: String, expiresAt: Int64, lifetime: Int64) throws(AdapterError) {
    guard !access.isEmpty, access.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
      throw .malformed("the upstream's access token is empty or has characters that no header may have")
    }
    self.access = access
    self.refresh = refresh
    self.expiresAt = expiresAt
    self.lifetime = lifetime
  }

  public var description: String { "Token(\(Secret(access).fingerprint), expires \(expiresAt))" }
}
