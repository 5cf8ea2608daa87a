import AdapterAPI

extension DashboardWidget {
  /// As clients see it.
  func append(to out: inout [UInt8]) {
    out.append("{\"id\":")
    Escaping.appendQuoted(id, to: &out)
    out.append(",\"title\":")
    Escaping.appendQuoted(title, to: &out)
    out.append(",\"dataType\":")
    Escaping.appendQuoted(dataType, to: &out)
    out.append(",\"kind\":")
    Escaping.appendQuoted(kind, to: &out)
    out.append(",\"codes\":[")
    for (index, code) in codes.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      Escaping.appendQuoted(code, to: &out)
    }
    out.append(text: "],\"layout\":{\"x\":\(layout.x),\"y\":\(layout.y),\"w\":\(layout.w),\"h\":\(layout.h)}")
    // JSON already, and its numbers are to keep their text.
    out.append(text: ",\"options\":\(options),\"sortOrder\":\(sortOrder)}")
  }
}
