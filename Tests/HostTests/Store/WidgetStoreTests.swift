import Testing

@testable import Host

/// The widget operations, on every kind of store.
@Suite(.stores) struct WidgetStoreTests {
  @Test(arguments: Store.ofEachKind)
  func `a created row is read back completely`(store: Store) async throws {
    let widget = full(1)
    #expect(try await store.create(widget) == .written)
    #expect(try await store.create(DashboardWidget(id: id(2), title: "plain", kind: "value")) == .written)
    #expect(try await store.widget(id: id(1)) == widget)
    #expect(
      try await store.widget(id: id(2))
        == DashboardWidget(
          id: id(2), title: "plain", dataType: "iot", kind: "value", codes: [], layout: .init(x: 0, y: 0, w: 1, h: 1),
          options: "{}", sortOrder: 0))
  }

  @Test(arguments: Store.ofEachKind)
  func `widgets are ordered by sort order, title and id`(store: Store) async throws {
    let rows = [
      (5, -1, "z"), (4, 0, "A"), (3, 0, "B"), (1, 0, "a"), (2, 0, "a"), (7, 0, "ä"), (6, 2, "A"), (8, 10, "A"),
    ]
    for (number, order, title) in rows.shuffled() {
      #expect(
        try await store.create(DashboardWidget(id: id(number), title: title, kind: "value", sortOrder: order))
          == .written)
    }
    #expect(try await store.widgets().map(\.id) == rows.map { id($0.0) })
  }

  @Test(arguments: Store.ofEachKind)
  func `operations on an unknown id find nothing`(store: Store) async throws {
    #expect(try await store.widget(id: id(1)) == nil)
    #expect(try await store.replace(full(1)) == .unknown)
    #expect(try await store.deleteWidget(id: id(1)) == false)
    #expect(try await store.widgets() == [])
  }

  @Test(arguments: Store.ofEachKind)
  func `a widget is replaced and deleted`(store: Store) async throws {
    let other = full(2)
    #expect(try await store.create(full(1)) == .written)
    #expect(try await store.create(other) == .written)
    let new = DashboardWidget(
      id: id(1), title: "new", dataType: "other", kind: "trend", codes: ["x"], layout: .init(x: 5, y: 6, w: 7, h: 8),
      options: #"{"max":1.10}"#, sortOrder: 9)
    #expect(try await store.replace(new) == .written)
    #expect(try await store.widgets() == [other, new])
    #expect(try await store.deleteWidget(id: id(1)))
    #expect(try await store.widgets() == [other])
  }

  @Test(arguments: Store.ofEachKind)
  func `a second widget with the same id is a conflict`(store: Store) async throws {
    #expect(try await store.create(full(1)) == .written)
    let second = DashboardWidget(id: id(1), title: "second", kind: "value")
    #expect(await storeError { try await store.create(second) }?.code == .conflict)
    #expect(try await store.widgets() == [full(1)])
  }

  @Test(arguments: Store.ofEachKind)
  func `concurrent creations never exceed the number of widgets`(store: Store) async throws {
    try await fill(store, Store.maximumWidgets - 2)
    let outcomes = try await concurrently(0..<8) { number in
      try await store.create(DashboardWidget(id: id(2000 + number), title: "w", kind: "value"))
    }
    #expect(outcomes.count { $0 == .written } == 2)
    #expect(try await store.widgets().count == Store.maximumWidgets)
    #expect(try await store.deleteWidget(id: id(0)))
    #expect(try await store.create(full(3000)) == .written)
  }

  @Test(arguments: Store.ofEachKind)
  func `the text of all widgets is limited, for new and replaced ones`(store: Store) async throws {
    func widget(_ number: Int, _ size: Int) -> DashboardWidget {
      let options = #"{"x":"\#(String(repeating: "ü", count: size - 8))"}"#
      return DashboardWidget(id: id(number), title: "w", kind: "value", options: options)
    }
    let half = Store.maximumWidgetText / 2
    #expect(try await store.create(widget(1, half)) == .written)
    #expect(try await store.create(widget(2, half)) == .full)
    #expect(try await store.create(widget(2, half - 2)) == .written)
    #expect(try await store.create(full(3)) == .full)
    #expect(try await store.replace(widget(1, half + 1)) == .full)
    #expect(try await store.replace(full(3)) == .unknown)
    #expect(try await store.replace(widget(1, half - 1)) == .written)
    #expect(try await store.widgets().map(\.options.count) == [half - 1, half - 2])
  }

  private func fill(_ store: Store, _ count: Int) async throws {
    let columns = [
      "id", "title", "data_type", "kind", "codes", "layout_x", "layout_y", "layout_w", "layout_h", "options",
      "sort_order", "updated_at",
    ]
    let texts: [SQLValue] = [.text("w"), .text("iot"), .text("value"), .text("[]")]
    let rest: [SQLValue] = [.integer(0), .integer(0), .integer(1), .integer(1), .text("{}"), .integer(0), .integer(0)]
    let rows = (0..<count).map { [.text(id($0))] + texts + rest }
    try await store.database.transaction(.catalogue, .writing, limit: .seconds(60)) { (session) throws(StoreError) in
      try session.insert(into: "dashboard_widgets", columns, rows)
    }
  }

  private func full(_ number: Int) -> DashboardWidget {
    DashboardWidget(
      id: id(number), title: "Zuluft 'ü' \"\\ $1 🌡", dataType: "iot", kind: "gauge",
      codes: ["C_5001", "a,b", "\"quoted\"", "\\", "{}", "ü 🌡", "'; DROP TABLE dashboard_widgets; --"],
      layout: .init(x: 0, y: 10_000, w: 3, h: 2),
      options: #"{"max":1.10,"min":-1e400,"serial":12345678901234567890,"labels":{"0":"off"}}"#,
      sortOrder: -2_147_483_648)
  }
}
