/// A device or point of the catalogue, as people name it.
struct CatalogueObject: Sendable, Equatable {
  /// A UUID in lower case.
  var id: String
  /// Unique in the catalogue; what the adapters know it by.
  var code: String
  var name: String
  /// Such as `sensor`, `actuator` or `meter`; empty when nobody said.
  var type = ""
  var description: String?
  /// One JSON object as compact text, numbers as they were written.
  var metadata = "{}"
}

/// A code as a key: the same only where the bytes are the same, as in the stores, and in the order of its bytes.
///
/// `String` takes for equal what Unicode calls canonically equivalent, such as "é" in one scalar and in two.
struct ObjectCode: Sendable, Hashable, Comparable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (one: ObjectCode, other: ObjectCode) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

  static func < (one: ObjectCode, other: ObjectCode) -> Bool {
    one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

/// An object with what a sync knows about it.
struct SyncedObject: Sendable, Equatable {
  var object: CatalogueObject
  /// The adapter whose sync listed it; nil for one that only people wrote.
  var source: String?
  /// What the last sync wrote, as one JSON object: what people changed since then is told by the difference.
  var synced: String?
}

/// What a sync writes; rows that stand in neither list stay as they are.
struct SyncChanges: Sendable, Equatable {
  var created: [SyncedObject] = []
  /// Found by their id. Also rows of which only `source` or `synced` changed.
  var updated: [SyncedObject] = []
}
