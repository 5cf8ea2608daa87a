import AdapterAPI
import Testing

@testable import Host

/// The object operations, on every kind of store.
@Suite(.stores) struct ObjectStoreTests {
  @Test(arguments: Store.ofEachKind)
  func `a created row is read back completely`(store: Store) async throws {
    let object = CatalogueObject(
      id: id(1), code: "C_5001 ü'\"\\;--", name: "Zuluft 温度 🌡", type: "sensor", description: "", model: "m",
      status: "on",
      metadata: #"{"unit":"°C","range":{"min":-1.10,"max":1e400},"serial":12345678901234567890,"a":" ","b":[]}"#)
    try await store.create(object)
    try await store.create(CatalogueObject(id: id(2), code: "plain", name: "plain"))
    #expect(try await store.object(id: id(1))?.isSame(as: object) == true)
    #expect(
      try await store.object(id: id(2))
        == CatalogueObject(id: id(2), code: "plain", name: "plain", type: "", description: nil, metadata: "{}"))
  }

  @Test(arguments: Store.ofEachKind)
  func `texts keep their bytes, even when Unicode considers them equal`(store: Store) async throws {
    let composed = CatalogueObject(id: id(1), code: "caf\u{e9}", name: "n\u{e9}")
    let decomposed = CatalogueObject(id: id(2), code: "cafe\u{301}", name: "ne\u{301}")
    #expect(try await store.importObjects([composed, decomposed]) == [])
    #expect(
      try await store.object(id: id(1)).map { Array(($0.code + $0.name).utf8) } == Array("caf\u{e9}n\u{e9}".utf8))
    #expect(
      try await store.object(id: id(2)).map { Array(($0.code + $0.name).utf8) } == Array("cafe\u{301}ne\u{301}".utf8))
  }

  @Test(arguments: Store.ofEachKind)
  func `operations on an unknown id find nothing`(store: Store) async throws {
    #expect(try await store.object(id: id(1)) == nil)
    #expect(try await store.replace(id: id(1)) { .success($0) as Result<_, Never> } == nil)
    #expect(try await store.deleteObject(id: id(1)) == false)
  }

  @Test(arguments: Store.ofEachKind)
  func `a second object with the same code is a conflict`(store: Store) async throws {
    let first = CatalogueObject(id: id(1), code: "A", name: "first")
    try await store.create(first)
    let error = await storeError { try await store.create(CatalogueObject(id: id(2), code: "A", name: "second")) }
    #expect(error?.code == .conflict)
    #expect(try await codes(store) == ["A"])
    #expect(try await store.object(id: id(1)) == first)
    try await store.create(CatalogueObject(id: id(2), code: "a", name: "another case is another code"))
    let renaming = await storeError {
      try await store.replace(id: id(2)) { .success($0.with(code: "A")) as Result<_, Never> }
    }
    #expect(renaming?.code == .conflict)
    #expect(try await store.object(id: id(2))?.code == "a")
  }

  @Test(arguments: Store.ofEachKind)
  func `a deleted object is gone and its code is free`(store: Store) async throws {
    try await store.create(CatalogueObject(id: id(1), code: "A", name: "A"))
    try await store.create(CatalogueObject(id: id(2), code: "B", name: "B"))
    #expect(try await store.deleteObject(id: id(1)))
    #expect(try await store.deleteObject(id: id(1)) == false)
    try await store.create(CatalogueObject(id: id(3), code: "A", name: "A"))
    #expect(try await store.object(id: id(1)) == nil)
    #expect(try await codes(store) == ["A", "B"])
  }

  @Test(arguments: Store.ofEachKind)
  func `replace changes everything except the id`(store: Store) async throws {
    let old = CatalogueObject(id: id(1), code: "A", name: "A", type: "t", description: "d", metadata: #"{"a": 1}"#)
    try await store.create(old)
    try await store.create(CatalogueObject(id: id(2), code: "B", name: "B"))
    let new = CatalogueObject(id: id(9), code: "C", name: "N", type: "", description: nil, metadata: #"{"a": 1.0}"#)
    let response = try await store.replace(id: id(1)) { seen -> Result<CatalogueObject, Never> in
      #expect(seen == old)
      return .success(new)
    }
    #expect(response == .success(new.with(id: id(1))))
    #expect(try await store.object(id: id(1)) == new.with(id: id(1)))
    #expect(try await store.object(id: id(2))?.name == "B")
  }

  @Test(arguments: Store.ofEachKind)
  func `replace with a failure changes nothing and returns the failure`(store: Store) async throws {
    struct Refused: Error, Equatable {}
    try await store.create(CatalogueObject(id: id(1), code: "A", name: "A"))
    #expect(try await store.replace(id: id(1)) { _ in .failure(Refused()) } == .failure(Refused()))
    #expect(try await store.object(id: id(1)) == CatalogueObject(id: id(1), code: "A", name: "A"))
  }

  @Test(arguments: Store.ofEachKind)
  func `concurrent changes of one object lose no update`(store: Store) async throws {
    let id = id(1)
    try await store.create(CatalogueObject(id: id, code: "A", name: ""))
    _ = try await concurrently(0..<20) { n in
      try await store.replace(id: id) { old -> Result<CatalogueObject, Never> in
        var new = old
        new.name += "\(n),"
        return .success(new)
      }
    }
    let name = try await store.object(id: id)?.name ?? ""
    #expect(Set(name.split(separator: ",").compactMap { Int($0) }) == Set(0..<20))
  }

  @Test(
    arguments: StoreKind.allCases,
    [
      "'; DROP TABLE objects; --", "$1", "?", "x' OR '1'='1", "\\'; SELECT 1", "E'\\x00'", "\"objects\"", "\t\n\r",
      "\\.",
    ])
  func `texts that look like SQL are stored as texts`(kind: StoreKind, text: String) async throws {
    let store = Store(LazyDatabase(kind))
    let object = CatalogueObject(id: id(1), code: text, name: text, type: text, description: text)
    #expect(try await store.importObjects([object]) == [])
    #expect(try await store.object(id: id(1)) == object)
    #expect(try await codes(store, type: text, text: text) == [text])
    #expect(try await codes(store, after: text) == [])
    let response = try await store.replace(id: id(1)) { old -> Result<CatalogueObject, Never> in .success(old) }
    #expect(response == .success(object))
  }
}

/// Returns a UUID that ends with the number.
func id(_ number: Int) -> String {
  let digits = String(number)
  return "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
}

/// Returns the codes of one page.
func codes(
  _ store: Store, type: String? = nil, text: String? = nil, after: String? = nil, limit: Int = 1000
) async throws -> [String] {
  try await store.objects(ObjectQuery(type: type, text: text, after: after, limit: limit)).items.map(\.code)
}

extension CatalogueObject {
  /// Equal, except that PostgreSQL may have changed spacing and the order of keys in the metadata.
  func isSame(as other: CatalogueObject) -> Bool {
    var one = self
    one.metadata = other.metadata
    guard one == other, let mine = try? JSONValue(parsing: Array(metadata.utf8)),
      let others = try? JSONValue(parsing: Array(other.metadata.utf8))
    else { return false }
    return mine.isSame(as: others)
  }

  func with(id: String? = nil, code: String? = nil) -> CatalogueObject {
    var object = self
    object.id = id ?? self.id
    object.code = code ?? self.code
    return object
  }
}
