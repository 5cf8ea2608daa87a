import AdapterAPI

// The listing: the points in the order of the building, page by page. A cursor is the number of points before the page.
extension Mock {
  public static let listsObjects = true

  static let pageSize = 500

  public func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage {
    try await enter(call)
    let first = try start(cursor)
    let rest = building.points[first...]
    let next = rest.count > Self.pageSize ? String(first + Self.pageSize) : nil
    return ObjectPage(rest.prefix(Self.pageSize).map(\.listed), next: next)
  }

  /// Returns the index of a page's first point. Accepts only cursors that a page can have given.
  private func start(_ cursor: String?) throws(AdapterError) -> Int {
    guard let cursor else { return 0 }
    guard let first = Int(cursor), String(first) == cursor, first > 0, first % Self.pageSize == 0,
      first < building.points.count
    else { throw .badRequest("The cursor is not one of this adapter's; begin again without a cursor.") }
    return first
  }
}

extension MockPoint {
  fileprivate var listed: ListedObject {
    var metadata: [JSONValue.Member] = []
    if !unit.isEmpty { metadata.append(JSONValue.Member("unit", .string(unit))) }
    metadata.append(
      JSONValue.Member(
        "range",
        .object([
          JSONValue.Member("min", Self.plain(range.lowerBound)), JSONValue.Member("max", Self.plain(range.upperBound)),
        ])))
    metadata.append(JSONValue.Member("writable", .flag(isWritable)))
    return ListedObject(code: id, name: name, type: type, metadata: metadata)
  }

  private var type: String {
    switch signal {
    case .meter, .power: "meter"
    default: isWritable ? "actuator" : "sensor"
    }
  }

  /// Returns a number in its shortest form: `26`, not `26.0`.
  private static func plain(_ number: Double) -> JSONValue {
    var writer = JSONWriter()
    writer.number(number)
    return .number(String(decoding: writer.bytes, as: UTF8.self))
  }
}
