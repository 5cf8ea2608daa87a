/// Checks of the body's media type (RFC 9110 §8.3). A body without one is JSON.
extension ResourceRequest {
  /// Accepts JSON; for a patch, plain JSON or JSON Merge Patch (RFC 7396).
  func checkJSON() throws(GatewayError) {
    guard let contentType else { return }
    if action.isPatch {
      let type = ContentType(contentType)
      guard type.essence == "application/json" || type.essence == "application/merge-patch+json" else {
        throw .unsupportedMediaType(
          "A patch must be JSON Merge Patch: send 'Content-Type: application/merge-patch+json'.")
      }
      return
    }
    var text = contentType
    guard text.withUTF8({ MediaType.isJSON($0) }) else { throw .unsupportedMediaType }
  }

  /// Returns whether an import is CSV (RFC 7111, RFC 4180) instead of JSON.
  func isCSV() throws(GatewayError) -> Bool {
    guard let contentType else { return false }
    let type = ContentType(contentType)
    if type.essence != "text/csv" {
      var text = contentType
      guard text.withUTF8({ MediaType.isJSON($0) }) else {
        throw .unsupportedMediaType(
          "An import must be JSON or CSV: send 'Content-Type: application/json' or 'Content-Type: text/csv'.")
      }
      return false
    }
    if let charset = type["charset"], charset != "utf-8", charset != "utf8" {
      throw .unsupportedMediaType(
        "CSV must be in UTF-8: save it as UTF-8, and send 'Content-Type: text/csv; charset=utf-8'.")
    }
    if type["header"] == "absent" {
      throw .unsupportedMediaType("CSV must have a header line, because columns are found by name.")
    }
    return true
  }
}

extension ResourceAction {
  fileprivate var isPatch: Bool { if case .patch = self { true } else { false } }
}

/// A media type with its parameters, in lower case.
private struct ContentType {
  let essence: String
  private let parameters: [(name: String, value: String)]

  init(_ field: String) {
    let parts = field.lowercased().split(separator: ";", omittingEmptySubsequences: false).map(trimmed)
    essence = parts.first ?? ""
    parameters = parts.dropFirst().map { part in
      let pair = part.split(separator: "=", maxSplits: 1).map(trimmed)
      var value = pair.count == 2 ? pair[1] : ""
      if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") { value = String(value.dropFirst().dropLast()) }
      return (pair.first ?? "", value)
    }
  }

  subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }
}

private func trimmed(_ text: Substring) -> String {
  let rest = text.drop { $0 == " " || $0 == "\t" }
  guard let last = rest.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
  return String(rest[...last])
}
