import Testing

@testable import Host

/// Pages, filters and searches of the object list.
@Suite(.stores) struct ObjectListTests {
  @Test(arguments: Store.ofEachKind)
  func `object lists are ordered by the bytes of the codes`(store: Store) async throws {
    let sorted = [" ", "-", "0", "10", "2", "A", "AA", "B", "Z", "_", "a", "a b", "ab", "z", "Ä", "ä", "Ω", "～", "🌡"]
    try await fill(store, sorted.shuffled())
    #expect(try await codes(store) == sorted)
    for index in sorted.indices {
      #expect(try await codes(store, after: sorted[index]) == Array(sorted[(index + 1)...]))
    }
  }

  @Test(arguments: Store.ofEachKind)
  func `a page has the requested length and says whether more objects follow`(store: Store) async throws {
    try await fill(store, (1...5).map { "C\($0)" })
    for limit in 1...6 {
      let page = try await store.objects(ObjectQuery(limit: limit))
      #expect(page.items.map(\.code) == (1...min(limit, 5)).map { "C\($0)" })
      #expect(page.hasMore == (limit < 5))
    }
    #expect(try await store.objects(ObjectQuery(after: "C5", limit: 1)).hasMore == false)
    #expect(try await store.objects(ObjectQuery(after: "C4", limit: 1)).hasMore == false)
    #expect(try await codes(store, after: "C31") == ["C4", "C5"])
  }

  @Test(arguments: Store.ofEachKind)
  func `a page longer than one batch is complete`(store: Store) async throws {
    let all = (1000..<1000 + 2 * ObjectQuery.batch + 1).map { "C\($0)" }
    try await fill(store, all)
    #expect(try await codes(store, limit: 1000) == all)
    let page = try await store.objects(ObjectQuery(limit: 2 * ObjectQuery.batch))
    #expect(page.items.map(\.code) == all.dropLast())
    #expect(page.hasMore)
  }

  @Test(arguments: Store.ofEachKind)
  func `a page with much metadata ends early, and the next one continues`(store: Store) async throws {
    let metadata = #"{"text":""# + String(repeating: "x", count: 250_000) + #""}"#
    let objects = (100..<180).map {
      CatalogueObject(id: id($0), code: "C\($0)", name: "", metadata: metadata)
    }
    #expect(try await store.importObjects(objects) == [])
    let first = try await store.objects(ObjectQuery(limit: 1000))
    #expect(first.items.count == ObjectQuery.pageBytes / metadata.utf8.count + 1)
    #expect(first.hasMore)
    let second = try await store.objects(ObjectQuery(after: first.items.last?.code, limit: 1000))
    #expect(second.hasMore == false)
    let all = first.items + second.items
    #expect(all.count == objects.count && zip(all, objects).allSatisfy { $0.isSame(as: $1) })
  }

  @Test(arguments: Store.ofEachKind)
  func `pages contain each object once while other objects are added and deleted`(store: Store) async throws {
    let stable = (10..<40).map { "C\($0)" }
    try await fill(store, stable)
    var seen: [String] = []
    var after: String?
    var turn = 0
    while true {
      let page = try await store.objects(ObjectQuery(after: after, limit: 4))
      seen += page.items.map(\.code)
      guard page.hasMore, let last = page.items.last else { break }
      after = last.code
      // Adds one object before the page and one after it, and deletes one of the page.
      turn += 1
      try await store.create(CatalogueObject(id: id(1000 + turn), code: "A\(turn)", name: ""))
      try await store.create(CatalogueObject(id: id(2000 + turn), code: "\(last.code)+", name: ""))
      #expect(try await store.deleteObject(id: last.id))
    }
    #expect(seen.filter { stable.contains($0) } == stable)
    #expect(Set(seen).count == seen.count)
    #expect(turn > 5)
  }

  @Test(arguments: Store.ofEachKind)
  func `a type filter matches the whole type, also across pages`(store: Store) async throws {
    let types = ["sensor", "meter", "Sensor", "", "sensor", "sensors", "sensor"]
    let objects = types.enumerated().map {
      CatalogueObject(id: id($0.offset), code: "C\($0.offset)", name: "", type: $0.element)
    }
    #expect(try await store.importObjects(objects) == [])
    #expect(try await codes(store, type: "sensor") == ["C0", "C4", "C6"])
    #expect(try await codes(store, type: "") == ["C3"])
    #expect(try await codes(store, type: "%") == [])
    let page = try await store.objects(ObjectQuery(type: "sensor", after: "C0", limit: 1))
    #expect(page.items.map(\.code) == ["C4"])
    #expect(page.hasMore)
  }

  @Test(
    arguments: StoreKind.allCases,
    [
      ("", ["100%", "AB1", "A_1", "back\\slash", "o'clock", "straße", "ÜBER"]),
      ("a", ["AB1", "A_1", "back\\slash", "straße", "ÜBER"]),
      ("B", ["AB1", "back\\slash", "ÜBER"]),
      ("_", ["A_1"]), ("a_1", ["A_1"]), ("%", ["100%"]), ("100%", ["100%"]), ("\\", ["back\\slash"]),
      ("\\s", ["back\\slash"]), ("'", ["o'clock"]), ("ß", ["straße"]), ("ü", []), ("Ü", ["ÜBER"]), ("ARIUM", ["ÜBER"]),
      ("no such", []), ("1\0", []), ("_1%", []), (String(repeating: "a", count: 100_000), []),
    ])
  func `a search finds parts of code or name and has no special characters`(
    kind: StoreKind, search: (text: String, found: [String])
  ) async throws {
    let store = Store(LazyDatabase(kind))
    let all = ["AB1", "A_1", "100%", "back\\slash", "o'clock", "straße"]
    try await fill(store, all)
    try await store.create(CatalogueObject(id: id(100), code: "ÜBER", name: "Herbarium"))
    #expect(try await codes(store, text: search.text) == search.found)
  }

  @Test(arguments: Store.ofEachKind)
  func `several filters all apply`(store: Store) async throws {
    let objects = (0..<20).map {
      CatalogueObject(id: id($0), code: "C\(10 + $0)", name: $0 % 2 == 0 ? "even" : "odd", type: "t\($0 % 3)")
    }
    #expect(try await store.importObjects(objects) == [])
    #expect(try await codes(store, type: "t0", text: "EVEN", after: "C16") == ["C22", "C28"])
    #expect(try await codes(store, type: "t0\0", text: "EVEN") == [])
  }

  @Test(
    arguments: StoreKind.allCases,
    [ObjectQuery(limit: 9), ObjectQuery(type: "meter", limit: 9), ObjectQuery(text: "x", limit: 9)])
  func `a page is read by an index, without sorting`(kind: StoreKind, query: ObjectQuery) async throws {
    let store = Store(LazyDatabase(kind))
    try await fill(store, ["A", "B"])
    let plan = try await store.database.transaction(.catalogue, .reading, limit: .seconds(10)) {
      (session) throws(StoreError) in
      if session.dialect == .postgres {
        // PostgreSQL would not use an index for two rows; the test only checks that a suitable one exists.
        for way in ["seqscan", "bitmapscan", "sort"] { try session.run("SET LOCAL enable_\(way) = off") }
      }
      let (sql, filters) = query.statement(session.dialect)
      let explain = session.dialect == .postgres ? "EXPLAIN" : "EXPLAIN QUERY PLAN"
      return try session.query("\(explain) \(sql)", [.text("A")] + filters + [.integer(10)])
        .flatMap { row in row.values.indices.map { row.text($0) } }.joined(separator: "\n")
    }
    #expect(plan.contains("Index Cond:") || plan.contains("USING INDEX"), "\(plan)")
    let bounds =
      query.type == nil
      ? ["code > 'A'", "code>?"]
      : ["ROW(type, code) > ROW('meter'::text, 'A'::text)", "(type,code)>(?,?) AND type<?"]
    #expect(bounds.contains { plan.contains($0) }, "\(plan)")
    #expect(!plan.contains("Sort") && !plan.contains("B-TREE"), "\(plan)")
  }

  private func fill(_ store: Store, _ codes: [String]) async throws {
    let objects = codes.enumerated().map { CatalogueObject(id: id($0.offset), code: $0.element, name: "") }
    #expect(try await store.importObjects(objects) == [])
  }
}
