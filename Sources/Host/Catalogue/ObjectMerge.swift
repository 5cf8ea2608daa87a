import AdapterAPI

/// Merges one stored object with an adapter's object of the same code, by the rules of `SyncMerge`.
struct ObjectMerge {
  private let old: SyncedObject
  private let upstream: CatalogueObject
  private let upstreamMetadata: [JSONValue.Member]
  private let ours: [JSONValue.Member]
  private let base: SyncBase
  /// Nil for an object of a whole list, which gives everything.
  private let partial: Given?
  private var newBase = SyncBase()
  /// The changed fields, metadata keys as `metadata.unit`.
  private(set) var changed: [String] = []

  /// The fields of an object in a list that is not whole, which can't be seen from their values.
  struct Given {
    let name: Bool
  }

  /// Returns nil when the stored metadata is not a JSON object.
  init?(
    _ old: SyncedObject, _ upstream: CatalogueObject, _ metadata: [JSONValue.Member], partial: Given? = nil
  ) {
    self.partial = partial
    guard case .object(let ours)? = try? JSONValue(parsing: Array(old.object.metadata.utf8)) else { return nil }
    self.old = old
    self.upstream = upstream
    self.ours = ours
    upstreamMetadata = metadata
    base = SyncBase(old.synced)
  }

  mutating func merged(source: String) -> SyncedObject {
    var object = old.object
    let name = merge(
      "name", .string(object.name), base.name.map { .string($0) }, .string(upstream.name),
      isGiven: partial?.name ?? true)
    object.name = name.value?.string ?? object.name
    newBase.name = name.base?.string
    let type = merge(
      "type", .string(object.type), base.type.map { .string($0) }, .string(upstream.type),
      isGiven: partial == nil || !upstream.type.isEmpty)
    object.type = type.value?.string ?? object.type
    newBase.type = type.base?.string
    let text = merge(
      "description", JSONValue(object.description), base.description, JSONValue(upstream.description),
      isGiven: partial == nil || upstream.description != nil)
    object.description = text.value?.string
    newBase.description = text.base
    let metadata = mergeMetadata()
    // Unchanged metadata keeps its bytes.
    if changed.contains(where: { $0.hasPrefix("metadata.") }) {
      object.metadata = String(decoding: JSONValue.object(metadata).serialized, as: UTF8.self)
    }
    return SyncedObject(object: object, source: source, synced: newBase.text)
  }

  /// Merges one value of the three sides; nil for an absent value.
  ///
  /// - Returns: the new value, and the base of the next merge.
  private mutating func merge(
    _ field: @autoclosure () -> String, _ ours: JSONValue?, _ base: JSONValue?, _ upstream: JSONValue?, isGiven: Bool
  ) -> (value: JSONValue?, base: JSONValue?) {
    guard isGiven else { return (ours, base) }
    if Self.isSame(ours, upstream) { return (ours, upstream) }
    guard Self.isSame(ours, base) else { return (ours, base) }
    changed.append(field())
    return (upstream, upstream)
  }

  /// PostgreSQL stores `1e3` as `1000` and orders keys in its own way, so values are compared, not texts.
  private static func isSame(_ one: JSONValue?, _ two: JSONValue?) -> Bool {
    guard let one, let two else { return one == nil && two == nil }
    return one.isSame(as: two)
  }

  /// Merges the metadata. Stored keys keep their positions; new ones are appended.
  private mutating func mergeMetadata() -> [JSONValue.Member] {
    let mine = Self.table(ours)
    let theirs = Self.table(upstreamMetadata)
    let before = Self.table(base.metadata)
    var keys = ours.map(\.key)
    keys += upstreamMetadata.map(\.key).filter { mine[ObjectCode($0)] == nil }
    keys += base.metadata.map(\.key).filter { mine[ObjectCode($0)] == nil && theirs[ObjectCode($0)] == nil }
    var merged: [JSONValue.Member] = []
    for key in keys {
      let code = ObjectCode(key)
      let new = merge(
        "metadata.\(key)", mine[code], before[code], theirs[code], isGiven: partial == nil || theirs[code] != nil)
      if let value = new.value { merged.append(.init(key, value)) }
      if let value = new.base { newBase.metadata.append(.init(key, value)) }
    }
    return merged
  }

  private static func table(_ members: [JSONValue.Member]) -> [ObjectCode: JSONValue] {
    var table: [ObjectCode: JSONValue] = [:]
    for member in members { table[ObjectCode(member.key)] = member.value }
    return table
  }
}

extension JSONValue {
  fileprivate init(_ text: String?) { self = text.map { .string($0) } ?? .null }
}
