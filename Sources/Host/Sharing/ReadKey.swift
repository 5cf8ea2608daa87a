import AdapterAPI

/// What makes two reading requests the same: adapter, operation, the fields that may change the answer, and the body, byte for byte.
///
/// An adapter instance has one upstream identity, and its token, so that the token needs no place of its own here. The bytes are
/// those of the request, not copied. Compared whole; the hash is seeded, so that nobody can choose bodies that collide.
struct ReadKey: Hashable, Sendable {
  let adapter: Int
  let operation: Operation
  private let fields: [UInt8]
  /// So many of the fields' bytes count: what follows names one request, not a kind.
  private let meaning: Int
  private let body: [UInt8]
  private let hash: Int

  init(adapter: Int, _ request: AdapterRequest) {
    self.adapter = adapter
    operation = request.operation
    fields = request.allFields.bytes
    body = request.body
    let meaning = request.identifyingFields.count
    self.meaning = meaning
    var hasher = Hasher()
    hasher.combine(adapter)
    hasher.combine(meaning)
    fields.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[..<meaning])) }
    body.withUnsafeBytes { hasher.combine(bytes: $0) }
    hash = hasher.finalize()
  }

  /// One of a number of places for this key.
  func place(among count: Int) -> Int { Int(UInt(bitPattern: hash) % UInt(count)) }

  /// The bytes that it keeps in memory.
  var size: Int { fields.capacity + body.capacity }

  static func == (a: ReadKey, b: ReadKey) -> Bool {
    a.hash == b.hash && a.adapter == b.adapter && a.operation == b.operation && a.meaning == b.meaning
      && a.body == b.body && a.fields[..<a.meaning] == b.fields[..<b.meaning]
  }

  func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
