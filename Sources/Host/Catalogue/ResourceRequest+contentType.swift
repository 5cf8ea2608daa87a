/// Checks of the body's media type (RFC 9110 §8.3). A body without one is JSON.
extension ResourceRequest {
  /// Accepts JSON; for a patch, plain JSON or JSON Merge Patch (RFC 7396).
  func checkJSON() throws(GatewayError) {
    if action.isPatch {
      let isPatch = contentType.map {
        Self.isType($0, "application/json") || Self.isType($0, "application/merge-patch+json")
      }
      if isPatch == false {
        throw .unsupportedMediaType(
          "A patch must be JSON Merge Patch: send 'Content-Type: application/merge-patch+json'.")
      }
    } else if var contentType, !contentType.withUTF8({ MediaType.isJSON($0) }) {
      throw .unsupportedMediaType
    }
    if var contentType, !contentType.withUTF8({ MediaType.isUTF8($0) }) { throw .unsupportedCharset }
  }

  /// Returns whether an import is CSV (RFC 7111, RFC 4180) instead of JSON.
  func isCSV() throws(GatewayError) -> Bool {
    guard var contentType else { return false }
    let isUTF8 = contentType.withUTF8 { MediaType.isUTF8($0) }
    guard Self.isType(contentType, "text/csv") else {
      guard contentType.withUTF8({ MediaType.isJSON($0) }) else {
        throw .unsupportedMediaType(
          "An import must be JSON or CSV: send 'Content-Type: application/json' or 'Content-Type: text/csv'.")
      }
      guard isUTF8 else { throw .unsupportedCharset }
      return false
    }
    guard isUTF8 else {
      throw .unsupportedMediaType(
        "CSV must be in UTF-8: save it as UTF-8, and send 'Content-Type: text/csv; charset=utf-8'.")
    }
    if contentType.withUTF8({ MediaType.hasParameter("header", "absent", in: $0) }) {
      throw .unsupportedMediaType("CSV must have a header line, because columns are found by name.")
    }
    return true
  }

  private static func isType(_ contentType: String, _ type: StaticString) -> Bool {
    var text = contentType
    return text.withUTF8 { MediaType.isType($0, type) }
  }
}

extension ResourceAction {
  fileprivate var isPatch: Bool { if case .patch = self { true } else { false } }
}
