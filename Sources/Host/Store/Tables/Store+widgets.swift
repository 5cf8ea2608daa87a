import AdapterAPI

/// The dashboard's widgets. Ids are UUIDs in lower case; texts contain no NUL.
extension Store {
  /// The largest number of widgets. The list is not divided into pages.
  static let maximumWidgets = 1000
  /// The largest number of characters of all options and codes together.
  static let maximumWidgetText = 4 << 20

  /// The result of writing a widget.
  enum WidgetWriteOutcome: Sendable {
    case written
    /// No widget has this id.
    case unknown
    /// A limit would be exceeded; nothing was written.
    case full
  }

  /// Returns all widgets in the dashboard's order.
  func widgets() async throws(StoreError) -> [DashboardWidget] {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      let rows = try session.query(
        "SELECT \(WidgetRow.read(session.dialect)) FROM dashboard_widgets ORDER BY sort_order, title, id")
      return rows.map(WidgetRow.widget)
    }
  }

  func widget(id: String) async throws(StoreError) -> DashboardWidget? {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      let rows = try session.query(
        "SELECT \(WidgetRow.read(session.dialect)) FROM dashboard_widgets WHERE id = $1", [.text(id)])
      return rows.first.map(WidgetRow.widget)
    }
  }

  func create(_ widget: DashboardWidget) async throws(StoreError) -> WidgetWriteOutcome {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      guard try Self.hasRoom(for: widget, in: session) else { return .full }
      try session.run(
        """
        INSERT INTO dashboard_widgets (\(WidgetRow.columns), updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \(session.dialect.now))
        """, WidgetRow.values(widget))
      return .written
    }
  }

  /// Replaces the widget with the same id.
  func replace(_ widget: DashboardWidget) async throws(StoreError) -> WidgetWriteOutcome {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      let hasRoom = try Self.hasRoom(for: widget, in: session)
      if try session.query("SELECT 1 FROM dashboard_widgets WHERE id = $1", [.text(widget.id)]).isEmpty {
        return .unknown
      }
      guard hasRoom else { return .full }
      try session.run(
        """
        UPDATE dashboard_widgets SET title = $2, data_type = $3, kind = $4, codes = $5, layout_x = $6, layout_y = $7,
          layout_w = $8, layout_h = $9, options = $10, sort_order = $11, updated_at = \(session.dialect.now)
        WHERE id = $1
        """, WidgetRow.values(widget))
      return .written
    }
  }

  /// Returns whether the widget fits beside the remaining ones, which stay unchanged until the transaction ends.
  private static func hasRoom(
    for widget: DashboardWidget, in session: any SQLSession
  ) throws(StoreError) -> Bool {
    try session.lockForWriting("dashboard_widgets")
    let rest = try session.query(
      """
      SELECT count(*), sum(length(CAST(options AS text)) + length(CAST(codes AS text)))
      FROM dashboard_widgets WHERE id <> $1
      """,
      [.text(widget.id)])
    guard let rest = rest.first else { return true }
    let text = widget.codes.reduce(widget.options.unicodeScalars.count) { $0 + $1.unicodeScalars.count }
    return rest.integer(0) < Int64(maximumWidgets) && rest.integer(1) + Int64(text) <= Int64(maximumWidgetText)
  }

  /// - Returns: false when the widget does not exist.
  func deleteWidget(id: String) async throws(StoreError) -> Bool {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      try session.run("DELETE FROM dashboard_widgets WHERE id = $1", [.text(id)]) > 0
    }
  }
}

/// Converts between rows of the table `dashboard_widgets` and the model.
private enum WidgetRow {
  static let columns =
    "id, title, data_type, kind, codes, layout_x, layout_y, layout_w, layout_h, options, sort_order"

  /// The columns that `widget` reads.
  static func read(_ dialect: SQLDialect) -> String {
    "id, title, data_type, kind, codes, layout_x, layout_y, layout_w, layout_h, \(dialect.json("options")), sort_order"
  }

  static func values(_ widget: DashboardWidget) -> [SQLValue] {
    let codes = JSONValue.array(widget.codes.map { .string($0) }).serialized
    let layout = widget.layout
    return [
      .text(widget.id), .text(widget.title), .text(widget.dataType), .text(widget.kind),
      .text(String(decoding: codes, as: UTF8.self)), .integer(Int64(layout.x)), .integer(Int64(layout.y)),
      .integer(Int64(layout.w)), .integer(Int64(layout.h)), .text(widget.options), .integer(Int64(widget.sortOrder)),
    ]
  }

  static func widget(_ row: SQLRow) -> DashboardWidget {
    let codes = try? JSONValue(parsing: Array(row.text(4).utf8))
    return DashboardWidget(
      id: row.text(0), title: row.text(1), dataType: row.text(2), kind: row.text(3),
      codes: codes?.array?.compactMap(\.string) ?? [],
      layout: DashboardWidget.Layout(
        x: Int(row.integer(5)), y: Int(row.integer(6)), w: Int(row.integer(7)), h: Int(row.integer(8))),
      options: row.text(9), sortOrder: Int(row.integer(10)))
  }
}
