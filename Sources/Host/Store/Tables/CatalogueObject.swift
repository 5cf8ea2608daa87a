/// A device or data point of the catalogue.
struct CatalogueObject: Sendable, Equatable {
  /// A UUID in lower case.
  var id: String
  /// Unique in the catalogue. Adapters identify the object by it.
  var code: String
  var name: String
  /// For example `sensor`, `actuator` or `meter`; empty when unspecified.
  var type = ""
  var description: String?
  /// EcoCtrl's `modelId`, which the gateway only keeps.
  var model: String?
  /// EcoCtrl's `status`, which the gateway only keeps.
  var status: String?
  /// A JSON object as text. Numbers keep their value; PostgreSQL changes spacing and the order of keys.
  var metadata = "{}"
}

/// An object's code as a dictionary key, compared and ordered by its bytes as in the stores.
///
/// `String` compares by Unicode canonical equivalence: "é" as one scalar equals "é" as two.
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

/// A catalogue object with its synchronisation state.
struct SyncedObject: Sendable, Equatable {
  var object: CatalogueObject
  /// The adapter whose sync listed the object; nil for an object that was only written by hand.
  var source: String?
  /// The values that the last sync wrote, as a JSON object. A difference from them is a change made by hand.
  var synced: String?
}

/// The rows that a sync writes. Rows in neither list stay unchanged.
struct SyncChanges: Sendable, Equatable {
  var created: [SyncedObject] = []
  /// Identified by their id. Includes rows of which only `source` or `synced` changed.
  var updated: [SyncedObject] = []
}
