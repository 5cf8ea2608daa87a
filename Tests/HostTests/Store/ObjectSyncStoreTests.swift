import Testing

@testable import Host

/// The reads and writes of a sync. `SyncMergeTests` covers the merge itself.
@Suite(.stores) struct ObjectSyncStoreTests {
  @Test(arguments: Store.ofEachKind)
  func `a sync reads the adapter's objects and the listed codes, and nothing else`(store: Store) async throws {
    let mine = SyncedObject(object: object(1, "mine"), source: "main", synced: #"{"name":"1.10"}"#)
    let listedByAnnex = SyncedObject(object: object(2, "listed"), source: "annex", synced: "{}")
    let third = SyncedObject(object: object(3, "third"), source: "annex", synced: "{}")
    try await write(store, SyncChanges(created: [mine, listedByAnnex, third]))
    try await store.create(object(4, "by hand"))
    try await store.create(object(5, "caf\u{e9}"))
    try await store.create(object(6, "cafe\u{301}"))
    let seen = try await read(store, codes: ["mine", "listed", "by hand", "caf\u{e9}", "cafe\u{301}", "new"])
    #expect(
      seen == [
        ObjectCode("mine"): mine, ObjectCode("listed"): listedByAnnex,
        ObjectCode("by hand"): SyncedObject(object: object(4, "by hand")),
        ObjectCode("caf\u{e9}"): SyncedObject(object: object(5, "caf\u{e9}")),
        ObjectCode("cafe\u{301}"): SyncedObject(object: object(6, "cafe\u{301}")),
      ])
    #expect(try await read(store, codes: []).map(\.value) == [mine])
  }

  @Test(arguments: Store.ofEachKind)
  func `a sync writes created and updated objects and keeps ids`(store: Store) async throws {
    for number in 1...3 { try await store.create(object(number, "C\(number)")) }
    let updated = SyncedObject(
      object: CatalogueObject(id: id(2), code: "C2", name: "new", type: "meter", metadata: #"{"a": 1.10}"#),
      source: "main", synced: #"{"a":1.10}"#)
    let created = SyncedObject(object: object(4, "C4"), source: "main", synced: "{}")
    try await write(store, SyncChanges(created: [created], updated: [updated]))
    #expect(
      try await store.objects(ObjectQuery(limit: 10)).items == [
        object(1, "C1"), updated.object, object(3, "C3"), created.object,
      ])
    #expect(try await read(store, codes: []) == [ObjectCode("C2"): updated, ObjectCode("C4"): created])
  }

  @Test(arguments: Store.ofEachKind)
  func `a change by hand keeps the values of the last sync`(store: Store) async throws {
    let row = SyncedObject(object: object(1, "C1"), source: "main", synced: #"{"name":"C1"}"#)
    try await write(store, SyncChanges(created: [row]))
    _ = try await store.replace(id: id(1)) { old -> Result<CatalogueObject, Never> in
      .success(CatalogueObject(id: old.id, code: old.code, name: "edited"))
    }
    var expected = row
    expected.object.name = "edited"
    #expect(try await read(store, codes: []) == [ObjectCode("C1"): expected])
  }

  @Test(arguments: Store.ofEachKind)
  func `a dry run writes nothing and returns the summary`(store: Store) async throws {
    let created = SyncedObject(object: object(1, "C1"), source: "main", synced: "{}")
    let report = try await store.sync("main", codes: ["C1"], writes: false) { _ in
      (SyncChanges(created: [created]), "would create 1")
    }
    #expect(report == "would create 1")
    #expect(try await codes(store) == [])
  }

  @Test(arguments: Store.ofEachKind)
  func `a sync with a conflict writes nothing`(store: Store) async throws {
    try await store.create(object(1, "C1"))
    let changes = SyncChanges(
      created: [SyncedObject(object: object(2, "C2")), SyncedObject(object: object(3, "C2"))],
      updated: [SyncedObject(object: CatalogueObject(id: id(1), code: "C1", name: "new"))])
    #expect(await storeError { try await write(store, changes) }?.code == .conflict)
    #expect(try await store.objects(ObjectQuery(limit: 10)).items == [object(1, "C1")])
  }

  @Test(arguments: Store.ofEachKind)
  func `concurrent syncs and changes by hand lose no update`(store: Store) async throws {
    let count = 20
    try await write(
      store,
      SyncChanges(
        created: (0..<count).map { SyncedObject(object: object($0, "C\($0)"), source: "main", synced: "{}") }))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<count {
        group.addTask {
          _ = try await store.replace(id: id(number)) { old -> Result<CatalogueObject, Never> in
            .success(CatalogueObject(id: old.id, code: old.code, name: old.name + " edited", type: old.type))
          }
        }
        if number % 5 == 0 {
          group.addTask {
            try await store.sync("main", codes: [], writes: true) { rows in
              let updated = rows.values.map { row in
                var row = row
                row.object.type += "."
                return row
              }
              return (SyncChanges(updated: updated), ())
            }
          }
        }
      }
      try await group.waitForAll()
    }
    let items = try await store.objects(ObjectQuery(limit: 100)).items
    #expect(items.count == count)
    #expect(items.allSatisfy { $0.name == "\($0.code) edited" && $0.type == "...." })
  }

  private func object(_ number: Int, _ code: String) -> CatalogueObject {
    CatalogueObject(id: id(number), code: code, name: code)
  }

  private func write(_ store: Store, _ changes: SyncChanges) async throws {
    try await store.sync("main", codes: [], writes: true) { _ in (changes, ()) }
  }

  private func read(_ store: Store, codes: [String]) async throws -> [ObjectCode: SyncedObject] {
    try await store.sync("main", codes: codes, writes: false) { (SyncChanges(), $0) }
  }
}
