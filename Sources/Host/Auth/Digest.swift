import AdapterAPI
import COpenSSL

/// Returns the SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
func sha256Hex(_ bytes: some Collection<UInt8>) -> String {
  func digest(_ buffer: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { output, count in
      var length: UInt32 = 0
      let done = EVP_Digest(buffer.baseAddress, buffer.count, output.baseAddress, &length, EVP_sha256(), nil) == 1
      // Fails only without memory, or when the library was built without SHA-256. The process cannot run without it.
      precondition(done && length == 32, "OpenSSL has no SHA-256")
      count = 32
    }
  }
  let hash = bytes.withContiguousStorageIfAvailable(digest) ?? Array(bytes).withUnsafeBufferPointer(digest)
  return hexadecimal(hash)
}

/// Returns `count` random bytes, fit for secrets, as lower-case hexadecimal digits.
func randomHex(_ count: Int) -> String {
  var bytes = [UInt8](repeating: 0, count: max(0, count))
  if RAND_bytes(&bytes, Int32(clamping: bytes.count)) != 1 {
    // The kernel's generator, in case OpenSSL's cannot be seeded.
    var generator = SystemRandomNumberGenerator()
    for index in bytes.indices { bytes[index] = UInt8.random(in: .min ... .max, using: &generator) }
  }
  return hexadecimal(bytes)
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  String(decoding: bytes.flatMap { [HexDigit.lowercase($0 >> 4), HexDigit.lowercase($0 & 0x0F)] }, as: UTF8.self)
}
