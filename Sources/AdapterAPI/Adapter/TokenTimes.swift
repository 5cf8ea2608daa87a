/// The times in an access token that is a JWT (RFC 7519 §4.1), in milliseconds since the epoch by its issuer's clock.
///
/// The signature is not checked: the token is the upstream's, and only the upstream decides whether it is good.
public struct TokenTimes: Sendable, Equatable {
  /// `iat`; nil when the token does not state it.
  public let issuedAt: Int64?
  /// `exp`.
  public let expiresAt: Int64

  /// `exp` − `iat`, whatever the issuer's clock shows; nil without `iat`, or when it is not above zero.
  public var lifetime: Int64? { issuedAt.flatMap { expiresAt > $0 ? expiresAt - $0 : nil } }

  /// Reads the payload of a JWT. Nil when the token is no JWT, or has no `exp` that can be read.
  public init?(of token: String) {
    let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3, let payload = Self.decoded(parts[1]), let claims = try? JSONValue(parsing: payload),
      let end = Self.milliseconds(claims["exp"])
    else { return nil }
    expiresAt = end
    issuedAt = Self.milliseconds(claims["iat"])
  }

  /// Returns a NumericDate, which may have a fraction or be written as a text, in milliseconds; nil when it is negative or
  /// implausibly large.
  private static func milliseconds(_ claim: JSONValue?) -> Int64? {
    let seconds: Double?
    switch claim {
    case .number(let text)?: seconds = Double(text)
    case .string(let text)?: seconds = PointValue.text(text).number
    default: seconds = nil
    }
    guard let seconds, seconds >= 0, seconds < 1e12 else { return nil }
    return Int64(seconds * 1000)
  }

  /// Decodes a part of a JWT. More lenient than RFC 7515 §2, because the token is only read for its times: the alphabet of plain
  /// base64 and padding are accepted too.
  private static func decoded(_ part: some Sequence<UInt8>) -> [UInt8]? {
    let text = part.compactMap { byte -> UInt8? in
      switch byte {
      case UInt8(ascii: "="): nil
      case UInt8(ascii: "+"): UInt8(ascii: "-")
      case UInt8(ascii: "/"): UInt8(ascii: "_")
      default: byte
      }
    }
    return Base64URL.decode(String(decoding: text, as: UTF8.self))
  }
}
