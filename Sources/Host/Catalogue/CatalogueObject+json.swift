import AdapterAPI

extension CatalogueObject {
  /// As clients see it.
  func append(to out: inout [UInt8]) {
    out.append("{\"id\":")
    Escaping.appendQuoted(id, to: &out)
    out.append(",\"code\":")
    Escaping.appendQuoted(code, to: &out)
    out.append(",\"name\":")
    Escaping.appendQuoted(name, to: &out)
    out.append(",\"type\":")
    Escaping.appendQuoted(type, to: &out)
    out.append(",\"description\":")
    if let description {
      Escaping.appendQuoted(description, to: &out)
    } else {
      out.append("null")
    }
    out.append(",\"metadata\":")
    // JSON already, and its numbers are to keep their text.
    out.append(text: metadata)
    out.append(UInt8(ascii: "}"))
  }

  static func append(_ objects: [CatalogueObject], to out: inout [UInt8]) {
    out.append(UInt8(ascii: "["))
    for (index, object) in objects.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      object.append(to: &out)
    }
    out.append(UInt8(ascii: "]"))
  }
}
