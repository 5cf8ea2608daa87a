import AdapterAPI

/// One entry of a JWK set (RFC 7517), as far as the verification of signatures needs it.
struct JSONWebKey {
  typealias Algorithm = Configuration.Auth.Algorithm

  enum Outcome {
    case secret(Algorithm, [UInt8])
    case publicKey(Algorithm, PublicKey)
  }

  /// The string members by name.
  private(set) var text: [String: String] = [:]
  /// The names of the members of other types.
  private var otherNames: Set<String> = []
  private var operations: [String]?

  /// The entry contains a private key beside the public one (RFC 7518 §6.2.2, §6.3.2).
  var isPrivate: Bool { text["kty"] != "oct" && ["d", "p", "q", "dp", "dq", "qi"].contains { text[$0] != nil } }

  /// Equal for two entries with the same key, algorithm and kid.
  var identity: [String] { ["kty", "crv", "alg", "kid", "n", "e", "x", "y", "k"].map { text[$0] ?? "" } }

  init(json: [UInt8]) throws(KeyProblem) {
    let parsed: Self? = json.withUnsafeBufferPointer { bytes in
      do throws(ClaimsReader.Failure) { return try Self(reading: bytes) } catch { return nil }
    }
    guard let parsed else {
      throw KeyProblem("the entry is not a strict JSON object with distinct names")
    }
    self = parsed
  }

  private init(reading bytes: UnsafeBufferPointer<UInt8>) throws(ClaimsReader.Failure) {
    var reader = try ClaimsReader(objectIn: bytes)
    while let name = try reader.nextName() {
      let kind = try reader.kind()
      if kind == .string {
        text[name.string] = try reader.string().string
      } else if kind == .array, name == "key_ops" {
        operations = try reader.strings() ?? []
      } else {
        otherNames.insert(name.string)
        try reader.skip()
      }
    }
  }

  /// Returns the JSON texts of the entries under `keys`.
  static func readSet(_ json: String, path: String) throws(KeyProblem) -> [[UInt8]] {
    guard json.utf8.count <= 1 << 20 else {
      throw KeyProblem("\(path): the JWK set is larger than 1 MiB; remove keys that are not used")
    }
    // A byte order mark may precede the JSON (RFC 8259 §8.1).
    let text = json.unicodeScalars.first == "\u{feff}" ? Array(json.utf8.dropFirst(3)) : Array(json.utf8)
    let entries: [[UInt8]]?? = text.withUnsafeBufferPointer { bytes in
      do throws(ClaimsReader.Failure) { return try readSet(bytes) } catch { return nil }
    }
    guard let entries else {
      throw KeyProblem("\(path): the file is not a strict JSON object; a JWK set looks like {\"keys\": [{\"kty\": …}]}")
    }
    guard let entries else {
      throw KeyProblem("\(path): the array 'keys' is missing; a JWK set looks like {\"keys\": [{\"kty\": …}]}")
    }
    return entries
  }

  private static func readSet(_ bytes: UnsafeBufferPointer<UInt8>) throws(ClaimsReader.Failure) -> [[UInt8]]? {
    var reader = try ClaimsReader(objectIn: bytes)
    var entries: [[UInt8]]?
    while let name = try reader.nextName() {
      guard name == "keys", try reader.kind() == .array else {
        try reader.skip()
        continue
      }
      var found: [[UInt8]] = []
      var first = true
      try reader.beginArray()
      while try reader.nextElement(first: &first) { found.append(Array(try reader.slice())) }
      entries = found
    }
    return entries
  }

  /// Returns the key.
  ///
  /// - Throws: `KeyProblem` for a key that cannot be used, or that is not meant for verifying signatures.
  func key() throws(KeyProblem) -> Outcome {
    for name in ["kty", "use", "alg", "kid", "key_ops", "crv", "n", "e", "x", "y", "k"] where otherNames.contains(name)
    {
      throw KeyProblem("'\(name)' has the wrong type; see RFC 7517 and RFC 7518 section 6")
    }
    guard let type = text["kty"] else {
      throw KeyProblem("'kty' is missing; it must be one of RSA, EC, OKP, oct")
    }
    if let use = text["use"], use != "sig" {
      throw KeyProblem("'use' is '\(Spelling.printable(use))', so the key is not meant for verifying signatures")
    }
    if let operations, !operations.contains("verify") {
      throw KeyProblem("'key_ops' has no 'verify', so the key is not meant for verifying signatures")
    }

    let fitting: [Algorithm]
    switch type {
    case "RSA": fitting = [.RS256, .PS256]
    case "EC":
      let curve = try required("crv")
      guard curve == "P-256" else {
        throw KeyProblem("the curve '\(Spelling.printable(curve))' is not supported, only P-256")
      }
      fitting = [.ES256]
    case "OKP":
      let curve = try required("crv")
      guard curve == "Ed25519" else {
        throw KeyProblem("the curve '\(Spelling.printable(curve))' is not supported, only Ed25519")
      }
      fitting = [.EdDSA]
    case "oct": fitting = [.HS256, .HS384, .HS512]
    default: throw KeyProblem("the key type '\(Spelling.printable(type))' is not supported")
    }

    let algorithm: Algorithm
    if let name = text["alg"] {
      guard let known = Algorithm(rawValue: name) else {
        throw KeyProblem("the algorithm '\(Spelling.printable(name))' is not supported")
      }
      guard fitting.contains(known) else {
        throw KeyProblem(
          "'alg' is \(name), but a key of type \(type) supports \(fitting.map(\.rawValue).joined(separator: ", ")) only"
        )
      }
      algorithm = known
    } else if type == "oct" {
      throw KeyProblem("'alg' is missing; for a secret it must be HS256, HS384 or HS512")
    } else {
      algorithm = fitting[0]
    }
    if type == "oct" { return .secret(algorithm, try bytes("k")) }
    let key = try publicKey(type)
    try key.check(for: algorithm)
    return .publicKey(algorithm, key)
  }

  private func publicKey(_ type: String) throws(KeyProblem) -> PublicKey {
    switch type {
    case "RSA":
      guard let key = PublicKey.rsa(modulus: try bytes("n"), exponent: try bytes("e")) else {
        throw KeyProblem("'n' and 'e' are not an RSA public key of at most 16384 bits")
      }
      return key
    case "EC":
      guard let key = PublicKey.p256(x: try bytes("x"), y: try bytes("y")) else {
        throw KeyProblem("'x' and 'y' are not a point on P-256 of 32 bytes each")
      }
      return key
    default:
      guard let key = PublicKey.ed25519(x: try bytes("x")) else {
        throw KeyProblem("'x' is not an Ed25519 public key of 32 bytes")
      }
      return key
    }
  }

  private func required(_ name: String) throws(KeyProblem) -> String {
    guard let value = text[name] else { throw KeyProblem("'\(name)' is missing; a key of this type needs it") }
    return value
  }

  private func bytes(_ name: String) throws(KeyProblem) -> [UInt8] {
    guard let bytes = Base64URL.decode(try required(name)) else {
      throw KeyProblem("'\(name)' is not base64url without padding (RFC 7515 section 2)")
    }
    return bytes
  }
}

extension ClaimsReader {
  /// Returns an array's strings; nil when the value is not an array, or the array has other elements.
  mutating func strings() throws(Failure) -> [String]? {
    guard try kind() == .array else {
      try skip()
      return nil
    }
    var found: [String] = []
    var areStrings = true
    var first = true
    try beginArray()
    while try nextElement(first: &first) {
      if try kind() == .string {
        found.append(try string().string)
      } else {
        areStrings = false
        try skip(nested: 1)
      }
    }
    return areStrings ? found : nil
  }
}
