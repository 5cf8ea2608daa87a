/// An upstream's token pair. The host stores and renews it; an adapter only obtains and uses it.
public struct Token: Sendable, Equatable, CustomStringConvertible {
  /// The access token that calls carry. Visible ASCII, so that it fits a header field.
  public let access: String
  /// The refresh token; empty when the upstream has none.
  public let refresh: String
  /// The end of the access token's life, in milliseconds since the epoch by the upstream's clock.
  public let expiresAt: Int64
  /// The lifetime that the upstream gave it (`exp` − `iat`, else `exp` − now), in milliseconds from its receipt. Not above 0
  /// when it is unknown.
  public let lifetime: Int64

  /// - Throws: `.malformed` when the access token is empty or does not fit a header field.
  public init(access: String, refresh: String, expiresAt: Int64, lifetime: Int64) throws(AdapterError) {
    guard !access.isEmpty, access.utf8.allSatisfy(Fields.isVisible) else {
      throw .malformed("the upstream's access token is empty or has characters that no header field may have")
    }
    self.access = access
    self.refresh = refresh
    self.expiresAt = expiresAt
    self.lifetime = lifetime
  }

  public var description: String { "Token(\(Secret(access).fingerprint), expires \(expiresAt))" }
}
