import COpenSSL

extension PublicKey {
  /// The version of OpenSSL.
  static var libraryVersion: String { String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)) }
}
