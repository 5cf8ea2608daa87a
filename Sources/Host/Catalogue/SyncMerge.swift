import AdapterAPI

/// Brings what an adapter lists together with what is stored, and loses nothing that people wrote.
///
/// Three sides meet in each field and in each key of the metadata: the stored value (ours), the listed one (upstream's),
/// and what a sync wrote last (the base). Where ours is still the base, upstream's is taken; where people changed or
/// removed it, it stays theirs. Rows that no sync wrote have no base: they keep what they have and get the keys of
/// metadata that they lack. Nothing is deleted.
struct SyncMerge: Sendable {
  private let adapter: String
  private let listed: [(object: CatalogueObject, metadata: [JSONValue.Member])]

  var codes: [String] { listed.map(\.object.code) }

  /// Throws when something in the list can't be stored.
  init(adapter: String, listed: [ListedObject]) throws(GatewayError) {
    self.adapter = adapter
    var seen: Set<ObjectCode> = []
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
    }
    self.listed = checked
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
    for (field, text) in texts where text.utf8.contains(0) { problems.add(field, "holds a NUL character") }
    if metadata.holdsNUL { problems.add("metadata", "holds a NUL character") }
    if Set(item.metadata.map { ObjectCode($0.key) }).count < item.metadata.count {
      problems.add("metadata", "has a key twice")
    }
    guard problems.isEmpty else { return nil }
    return draft.object(id: "", into: &problems)
  }

  /// What to write, and what to tell. Pure, apart from the new objects' ids.
  func callAsFunction(_ stored: [ObjectCode: SyncedObject]) -> (changes: SyncChanges, report: SyncReport) {
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
      guard var merge = ObjectMerge(old, object, metadata) else {
        report.problems.add(
          "metadata", "of '\(Spelling.printable(object.code))' is stored in a form that can't be read")
        continue
      }
      let new = merge.merged(source: adapter)
      if new.object.metadata.utf8.count > ObjectDraft.maximumMetadata {
        report.problems.add(
          "metadata",
          "of '\(Spelling.printable(object.code))' and what the adapter lists would have more than "
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
    let missing = stored.filter { $0.value.source == adapter && !codes.contains($0.key) }
    report.missing = missing.keys.sorted().map(\.text)
    return report.problems.isEmpty ? (changes, report) : (SyncChanges(), report)
  }

  private func created(_ object: CatalogueObject, _ metadata: [JSONValue.Member]) -> SyncedObject {
    var object = object
    object.id = newUUID()
    return SyncedObject(object: object, source: adapter, synced: SyncBase(object, metadata).text)
  }

  /// What a new object has beside its code.
  private static func fields(_ object: CatalogueObject, _ metadata: [JSONValue.Member]) -> [String] {
    var fields = ["name"]
    if !object.type.isEmpty { fields.append("type") }
    if object.description != nil { fields.append("description") }
    return fields + metadata.map { "metadata.\($0.key)" }
  }
}
