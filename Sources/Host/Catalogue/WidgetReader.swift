import AdapterAPI

/// Reads a widget from a request and collects all its problems.
///
/// Absent and null members get their defaults. Only the form of codes is checked: a widget may refer to points that do
/// not exist yet.
struct WidgetReader {
  private(set) var problems = FieldProblems()

  static let kinds = ["value", "gauge", "switch", "trend", "state", "alarms"]
  static let maximumTitle = 255
  static let maximumDataType = 20
  static let maximumCodes = 200
  static let maximumCode = 255
  static let maximumOptions = 64 << 10
  /// The number of grid cells in either direction.
  static let maximumCells = 10_000

  /// The members of a request; `id` is ignored, because the path or the gateway gives it.
  private static let members = ["id", "title", "dataType", "kind", "codes", "layout", "options", "sortOrder"]
  private static let sides = ["x", "y", "w", "h"]

  /// - Returns: nil when there are `problems`.
  mutating func widget(_ members: [JSONValue.Member], id: String) -> DashboardWidget? {
    let before = problems.count
    var widget = DashboardWidget(id: id, title: "", kind: "")
    var seen: Set<String> = []
    for member in members where member.value != .null {
      seen.insert(member.key)
      switch member.key {
      case "id": break
      case "title": widget.title = title(member.value)
      case "dataType": widget.dataType = dataType(member.value)
      case "kind": widget.kind = kind(member.value)
      case "codes": widget.codes = codes(member.value)
      case "layout": widget.layout = layout(member.value)
      case "options": widget.options = options(member.value)
      case "sortOrder":
        widget.sortOrder = whole(member.value, "sortOrder", in: Int(Int32.min)...Int(Int32.max))
      default: unknown(member.key, in: "", among: Self.members)
      }
    }
    for required in ["title", "kind"] where !seen.contains(required) {
      problems.add(required, "is missing; a widget needs it")
    }
    return problems.count == before ? widget : nil
  }

  private mutating func title(_ value: JSONValue) -> String {
    guard let text = value.string else {
      problems.add("title", "must be text")
      return ""
    }
    if text.isEmpty { problems.add("title", "must not be empty") }
    if isLonger(text, than: Self.maximumTitle) {
      problems.add("title", "must have at most \(Self.maximumTitle) characters")
    }
    return text
  }

  private mutating func dataType(_ value: JSONValue) -> String {
    let isWord = { (byte: UInt8) in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard let text = value.string, (1...Self.maximumDataType).contains(text.utf8.count), text.utf8.allSatisfy(isWord)
    else {
      problems.add("dataType", "must be 1 to \(Self.maximumDataType) characters of a-z, 0-9, '-' and '_'")
      return ""
    }
    return text
  }

  private mutating func kind(_ value: JSONValue) -> String {
    guard let text = value.string, Self.kinds.contains(text) else {
      let hint = Spelling.hint(for: value.string ?? "", among: Self.kinds)
      problems.add("kind", "must be one of \(Self.kinds.joined(separator: ", "))\(hint)")
      return ""
    }
    return text
  }

  private mutating func codes(_ value: JSONValue) -> [String] {
    guard let elements = value.array else {
      problems.add("codes", "must be an array of text")
      return []
    }
    guard elements.count <= Self.maximumCodes else {
      problems.add("codes", "must have at most \(Self.maximumCodes) elements; there are \(elements.count)")
      return []
    }
    for (index, element) in elements.enumerated() {
      guard let code = element.string, !code.isEmpty, !isLonger(code, than: Self.maximumCode) else {
        problems.add("codes[\(index)]", "must be text of 1 to \(Self.maximumCode) characters")
        continue
      }
      if code.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
        problems.add("codes[\(index)]", "must not have control characters")
      }
    }
    return elements.compactMap(\.string)
  }

  private mutating func layout(_ value: JSONValue) -> DashboardWidget.Layout {
    var layout = DashboardWidget.Layout()
    guard case .object(let members) = value else {
      problems.add("layout", "must be an object with x, y, w and h")
      return layout
    }
    for side in Self.sides where !members.contains(where: { $0.key == side }) {
      problems.add("layout.\(side)", "is missing; a layout has x, y, w and h")
    }
    for member in members {
      switch member.key {
      case "x": layout.x = whole(member.value, "layout.x", in: 0...Self.maximumCells)
      case "y": layout.y = whole(member.value, "layout.y", in: 0...Self.maximumCells)
      case "w": layout.w = whole(member.value, "layout.w", in: 1...Self.maximumCells)
      case "h": layout.h = whole(member.value, "layout.h", in: 1...Self.maximumCells)
      default: unknown(member.key, in: "layout.", among: Self.sides)
      }
    }
    return layout
  }

  private mutating func options(_ value: JSONValue) -> String {
    guard case .object = value else {
      problems.add("options", "must be an object")
      return ""
    }
    let text = value.serialized
    if text.count > Self.maximumOptions {
      let limit = "\(Self.maximumOptions >> 10) KiB"
      problems.add("options", "must have at most \(limit) as JSON without spaces; it has \(text.count) bytes")
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads a whole number, however it is written: programs without integers send `2.0`.
  private mutating func whole(_ value: JSONValue, _ field: String, in range: ClosedRange<Int>) -> Int {
    if let number = value.whole, range.contains(number) { return number }
    problems.add(field, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    return range.lowerBound
  }

  private mutating func unknown(_ key: String, in place: String, among known: [String]) {
    let hint = Spelling.hint(for: key, among: known)
    problems.add(
      place + Spelling.printable(key),
      "is unknown" + (hint.isEmpty ? "; there are \(known.joined(separator: ", "))" : hint))
  }

  /// PostgreSQL counts characters as Unicode scalars.
  private func isLonger(_ text: String, than limit: Int) -> Bool {
    text.utf8.count > limit && text.unicodeScalars.count > limit
  }
}
