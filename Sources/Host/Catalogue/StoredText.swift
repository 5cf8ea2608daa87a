import AdapterAPI

/// A text that is to be stored, with its place in the request.
struct StoredText: Sendable {
  let field: String
  var row: Int?
  let text: String

  static func of(_ object: CatalogueObject, row: Int? = nil) -> [StoredText] {
    [
      ("code", object.code), ("name", object.name), ("type", object.type), ("description", object.description ?? ""),
      ("modelId", object.model ?? ""), ("status", object.status ?? ""), ("metadata", object.metadata),
    ].map { StoredText(field: $0, row: row, text: $1) }
  }

  static func of(_ widget: DashboardWidget) -> [StoredText] {
    [StoredText(field: "title", text: widget.title)]
      + widget.codes.enumerated().map { StoredText(field: "codes[\($0)]", text: $1) }
      + [StoredText(field: "options", text: widget.options)]
  }
}

extension ObjectDraft {
  /// The texts that were sent.
  var texts: [StoredText] {
    let metadata = metadata.map { String(decoding: $0.serialized, as: UTF8.self) }
    return [
      ("code", code?.string), ("name", name?.string), ("type", type?.string), ("description", description?.string),
      ("modelId", model?.string), ("status", status?.string), ("metadata", metadata),
    ].map { StoredText(field: $0, text: $1 ?? "") }
  }
}

extension Catalogue {
  /// The number of texts that one response names.
  private static let maximumNamed = 20

  /// Returns the error for the caller. When the database can't store a text, it is a 422 that names the field.
  func refusal(_ error: StoreError, _ texts: [StoredText]) async -> GatewayError {
    guard error.code == .unstorable else { return GatewayError(error) }
    var problems = FieldProblems()
    await name(texts[...], into: &problems)
    return problems.isEmpty ? GatewayError(error) : .invalidFields(problems)
  }

  /// The database tells only that one of the texts is wrong, so the list is halved until it is found.
  private func name(_ texts: ArraySlice<StoredText>, into problems: inout FieldProblems) async {
    guard problems.count < Self.maximumNamed, let first = texts.first, await !canStore(texts) else { return }
    guard texts.count > 1 else {
      return problems.add(
        first.field, "has a character that the encoding of the gateway's database lacks", row: first.row)
    }
    let middle = texts.startIndex + texts.count / 2
    await name(texts[..<middle], into: &problems)
    await name(texts[middle...], into: &problems)
  }

  /// Returns true when the database can't be asked.
  private func canStore(_ texts: ArraySlice<StoredText>) async -> Bool {
    let all = texts.map(\.text).joined(separator: " ")
    do throws(StoreError) {
      try await store.receive(all)
      return true
    } catch {
      return error.code != .unstorable
    }
  }
}
