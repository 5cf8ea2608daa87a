import COpenSSL
import Foundation

/// JSON Web Tokens for callers and for the scripted upstream (RFC 7519, HS256).
enum JWT {
  /// Returns a caller's token, valid for an hour by default. Without a role it has no such claim, like EcoCtrl's own
  /// tokens.
  static func caller(
    key: String = Secrets.jwt, subject: String = "u1", role: String? = nil, expiresIn seconds: Double = 3600
  ) -> String {
    var claims = #"{"sub":"\#(subject)","userId":1,"username":"\#(subject)""#
    if let role { claims += #","role":"\#(role)""# }
    claims += #","exp":\#(Int(Date().timeIntervalSince1970 + seconds))}"#
    return hs256(claims: claims, key: key)
  }

  static func hs256(header: String = #"{"alg":"HS256","typ":"JWT"}"#, claims: String, key: String) -> String {
    let signed = base64url(Array(header.utf8)) + "." + base64url(Array(claims.utf8))
    return signed + "." + base64url(hmac(key: Array(key.utf8), Array(signed.utf8)))
  }

  /// HMAC with SHA-256 (RFC 2104), without the gateway's code, which must not verify its own signatures.
  static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var (code, count) = ([UInt8](repeating: 0, count: 32), 0)
    let start = EVP_Q_mac(
      nil, "HMAC", nil, "SHA256", nil, key, key.count, message, message.count, &code, code.count, &count)
    precondition(start != nil && count == code.count, "OpenSSL has no HMAC-SHA-256")
    return code
  }

  static func decoded(_ part: String) -> Data? {
    let plain = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
    return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4))
  }

  static func base64url(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
  }
}

/// Values that must not appear in a log, a metric or an error. New in every run of the tests.
enum Secrets {
  static let jwt = "jwt-" + random(24)
  static let appID = "app-" + random(8)

  static func random(_ bytes: Int) -> String {
    (0..<bytes).map { _ in String(UInt8.random(in: 16...255), radix: 16) }.joined()
  }
}
