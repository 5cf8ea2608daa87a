import AdapterAPI

extension CatalogueObject {
  /// Writes the object as clients see it.
  func write(to json: inout JSONWriter) {
    json.object {
      $0.member("id", id)
      $0.member("code", code)
      $0.member("name", name)
      $0.member("type", type)
      $0.member("description", description)
      if let model { $0.member("modelId", model) }
      if let status { $0.member("status", status) }
      $0.key("metadata")
      // Stored as JSON, so that numbers keep their value.
      $0.json(metadata)
    }
  }

  static func write(_ objects: [CatalogueObject], to json: inout JSONWriter) {
    json.array(of: objects) { $1.write(to: &$0) }
  }
}
