import AdapterAPI

/// Identifies a reading request: adapter, operation, identifying fields and body. Two requests with equal keys get the same response.
///
/// An adapter instance has one upstream identity and one token, so the token is no part of the key. The bytes are those of the
/// request, not copied, and compared whole. The hash is seeded, so that a caller can't choose bodies that collide.
struct ReadKey: Hashable, Sendable {
  let adapter: Int
  private let request: AdapterRequest
  let hash: UInt64

  init(adapter: Int, _ request: AdapterRequest) {
    self.adapter = adapter
    self.request = request
    let fields = request.identifyingFields
    var hasher = Hasher()
    hasher.combine(adapter)
    hasher.combine(fields.count)
    fields.withUnsafeBytes { hasher.combine(bytes: $0) }
    request.body.withUnsafeBytes { hasher.combine(bytes: $0) }
    hash = UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// The index of this key's stripe. Uses other bits than the stripe's tables do.
  func stripe(among count: Int) -> Int { Int((hash >> 32) % UInt64(count)) }

  /// The memory that the key holds, in bytes.
  var size: Int { request.allFields.bytes.capacity + request.body.capacity }

  static func == (a: ReadKey, b: ReadKey) -> Bool {
    a.hash == b.hash && a.adapter == b.adapter && a.request.operation == b.request.operation
      && a.request.body == b.request.body && a.request.identifyingFields == b.request.identifyingFields
  }

  func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
