import AdapterAPI

/// Merges an adapter's list into the stored objects without losing changes made by hand.
///
/// Each field and each metadata key has three sides: the stored value (ours), the listed value (upstream's), and the
/// value that a sync wrote last (the base). If ours equals the base, upstream's is taken; otherwise the value was
/// changed or removed by hand and stays. Rows that no sync wrote have no base: they keep their values and get the
/// metadata keys that they lack. Nothing is deleted.
///
/// A list that is not whole proves nothing by what it lacks: no object is missing, and a name, type, description or metadata key
/// that it does not give changes nothing.
struct SyncMerge: Sendable {
  private let adapter: String
  private let isWhole: Bool
  /// The codes of objects that are listed without a name.
  private let nameless: Set<ObjectCode>
  private let listed: [(object: CatalogueObject, metadata: [JSONValue.Member])]

  var codes: [String] { listed.map(\.object.code) }
  var texts: [StoredText] { listed.flatMap { StoredText.of($0.object) } }

  /// Checks the list.
  ///
  /// - Throws: `upstreamMalformed` when an object can't be stored.
  init(adapter: String, listed: [ListedObject], isWhole: Bool = true) throws(GatewayError) {
    self.adapter = adapter
    self.isWhole = isWhole
    var seen: Set<ObjectCode> = []
    var nameless: Set<ObjectCode> = []
    var checked: [(object: CatalogueObject, metadata: [JSONValue.Member])] = []
    checked.reserveCapacity(listed.count)
    var size = 0
    for item in listed {
      var problems = FieldProblems()
      let object = Self.checked(item, into: &problems)
      if !seen.insert(ObjectCode(item.code)).inserted { problems.add("code", "is listed twice") }
      guard let object, problems.isEmpty else {
        let problem = problems.listed.first.map { "'\($0.field)' \($0.message)" } ?? ""
        throw GatewayError(
          .upstreamMalformed,
          "The adapter lists an object that can't be stored, '\(Spelling.printable(item.code))': \(problem). "
            + "Nothing was changed.")
      }
      size += object.metadata.utf8.count
      guard size <= ObjectImport.maximumMetadata else {
        throw GatewayError(
          .upstreamMalformed,
          "The adapter lists objects with more than \(ObjectImport.maximumMetadata >> 20) MiB of metadata. "
            + "Nothing was changed.")
      }
      checked.append((object, item.metadata))
      if item.name.isEmpty { nameless.insert(ObjectCode(item.code)) }
    }
    self.listed = checked
    self.nameless = nameless
  }

  private static func checked(_ item: ListedObject, into problems: inout FieldProblems) -> CatalogueObject? {
    var draft = ObjectDraft()
    draft.code = .string(item.code)
    draft.name = item.name.isEmpty ? nil : .string(item.name)
    draft.type = .string(item.type)
    draft.description = item.description.map { .string($0) }
    let metadata = JSONValue.object(item.metadata)
    draft.metadata = metadata
    let texts = [
      ("code", item.code), ("name", item.name), ("type", item.type), ("description", item.description ?? ""),
    ]
    for (field, text) in texts where text.utf8.contains(0) { problems.add(field, "contains a NUL character") }
    if metadata.holdsNUL { problems.add("metadata", "contains a NUL character") }
    if Set(item.metadata.map { ObjectCode($0.key) }).count < item.metadata.count {
      problems.add("metadata", "has a duplicate key")
    }
    guard problems.isEmpty else { return nil }
    return draft.object(id: "", into: &problems)
  }

  /// Returns the rows to write and the report. Pure, except for the ids of new objects.
  func callAsFunction(_ stored: [ObjectCode: SyncedObject]) -> (changes: SyncChanges, summary: SyncReport) {
    var changes = SyncChanges()
    var report = SyncReport()
    var codes: Set<ObjectCode> = []
    for (object, metadata) in listed {
      let code = ObjectCode(object.code)
      codes.insert(code)
      guard let old = stored[code] else {
        changes.created.append(created(object, metadata))
        report.add(.init(code: object.code, isNew: true, fields: Self.fields(object, metadata)))
        continue
      }
      let given = isWhole ? nil : ObjectMerge.Given(name: !nameless.contains(code))
      guard var merge = ObjectMerge(old, object, metadata, partial: given) else {
        report.problems.add(
          "metadata", "of '\(Spelling.printable(object.code))' is stored in a form that can't be read")
        continue
      }
      let new = merge.merged(source: adapter)
      if new.object.metadata.utf8.count > ObjectDraft.maximumMetadata {
        report.problems.add(
          "metadata",
          "of '\(Spelling.printable(object.code))' and the adapter's metadata would have more than "
            + "\(ObjectDraft.maximumMetadata >> 10) KiB together; remove some of its keys")
        continue
      }
      if merge.changed.isEmpty {
        report.unchanged += 1
      } else {
        report.add(.init(code: object.code, isNew: false, fields: merge.changed))
      }
      if !merge.changed.isEmpty || new.source != old.source || new.synced != old.synced { changes.updated.append(new) }
    }
    let missing = isWhole ? stored.filter { $0.value.source == adapter && !codes.contains($0.key) } : [:]
    report.missing = missing.keys.sorted().map(\.text)
    return report.problems.isEmpty ? (changes, report) : (SyncChanges(), report)
  }

  private func created(_ object: CatalogueObject, _ metadata: [JSONValue.Member]) -> SyncedObject {
    var object = object
    object.id = newUUID()
    return SyncedObject(object: object, source: adapter, synced: SyncBase(object, metadata).text)
  }

  /// Returns the names of a new object's fields except its code.
  private static func fields(_ object: CatalogueObject, _ metadata: [JSONValue.Member]) -> [String] {
    var fields = ["name"]
    if !object.type.isEmpty { fields.append("type") }
    if object.description != nil { fields.append("description") }
    return fields + metadata.map { "metadata.\($0.key)" }
  }
}
