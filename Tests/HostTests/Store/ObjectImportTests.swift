import Testing

@testable import Host

/// Imports write all objects or none.
@Suite(.stores) struct ObjectImportTests {
  @Test(arguments: Store.ofEachKind)
  func `import of an empty list succeeds`(store: Store) async throws {
    #expect(try await store.importObjects([]) == [])
    #expect(try await codes(store) == [])
  }

  @Test(arguments: Store.ofEachKind)
  func `import with taken codes returns their indices and writes nothing`(store: Store) async throws {
    try await store.create(CatalogueObject(id: id(5001), code: "C1", name: "old"))
    try await store.create(CatalogueObject(id: id(5002), code: "C1200", name: "old"))
    try await store.create(CatalogueObject(id: id(5003), code: "caf\u{e9}", name: "old"))
    let objects = (0..<1300).map { CatalogueObject(id: id($0), code: "C\($0)", name: "new") }
    let decomposed = CatalogueObject(id: id(5004), code: "cafe\u{301}", name: "another code than the composed one")
    #expect(try await store.importObjects([decomposed] + objects) == [2, 1201])
    #expect(try await codes(store) == ["C1", "C1200", "caf\u{e9}"])
    #expect(try await codes(store, text: "new") == [])
  }

  @Test(arguments: Store.ofEachKind)
  func `import with a duplicate code is a conflict and writes nothing`(store: Store) async throws {
    let objects = ["A", "B", "A"].enumerated().map {
      CatalogueObject(id: id($0.offset), code: $0.element, name: "")
    }
    #expect(await storeError { try await store.importObjects(objects) }?.code == .conflict)
    #expect(try await codes(store) == [])
  }

  @Test(arguments: Store.ofEachKind)
  func `import succeeds after a refused one`(store: Store) async throws {
    let objects = (0..<3).map { CatalogueObject(id: id($0), code: "C\($0)", name: "") }
    try await store.create(CatalogueObject(id: id(9), code: "C2", name: ""))
    #expect(try await store.importObjects(objects) == [2])
    #expect(try await store.deleteObject(id: id(9)))
    #expect(try await store.importObjects(objects) == [])
    #expect(try await codes(store) == ["C0", "C1", "C2"])
  }

  @Test(arguments: Store.ofEachKind)
  func `of concurrent imports of the same codes, one is written`(store: Store) async throws {
    let outcomes = try await concurrently(0..<4) { turn in
      try await store.importObjects(
        (0..<200).map { CatalogueObject(id: id(1000 * turn + $0), code: "C\($0)", name: "turn \(turn)") })
    }
    #expect(outcomes.filter(\.isEmpty).count == 1)
    #expect(outcomes.filter { $0 == Array(0..<200) }.count == 3)
    let names = try await store.objects(ObjectQuery(limit: 1000)).items.map(\.name)
    #expect(names.count == 200)
    #expect(Set(names).count == 1)
  }
}
