import AdapterAPI

/// The routes below `/api/objects`.
extension Catalogue {
  func respondToObjects(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    if request.action == .list { return try await listObjects(request) }
    _ = try ResourceQuery(request.query, [])
    switch request.action {
    case .create: return try await createObject(request)
    case .read(let id): return try await readObject(id)
    case .replace(let id): return try await replaceObject(id, request)
    case .patch(let id): return try await patchObject(id, request)
    case .delete(let id): return try await deleteObject(id)
    case .importAll: return try await importObjects(request)
    // `list` was handled above; the pipeline calls `sync` directly.
    case .list, .sync: throw .notFound
    }
  }

  private func listObjects(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let list = try ObjectListQuery(request.query)
    let page: (items: [CatalogueObject], hasMore: Bool)
    do throws(StoreError) {
      page = try await store.objects(list.query)
    } catch {
      // No stored text has a character that the database can't store.
      guard error.code == .unstorable else { throw GatewayError(error) }
      page = ([], false)
    }
    let last = page.hasMore ? page.items.last : nil
    return ResourceResponse(200, link: last.map { list.link(request.path, after: $0.code) }) {
      CatalogueObject.write(page.items, to: &$0)
    }
  }

  private func createObject(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let object = try object(ObjectDraft(try members(request)), id: newUUID())
    do throws(StoreError) { try await store.create(object) } catch {
      throw await refusal(error, code: object.code, StoredText.of(object))
    }
    return response(201, object)
  }

  private func readObject(_ id: String) async throws(GatewayError) -> ResourceResponse {
    let id = try objectID(id)
    let object: CatalogueObject?
    do throws(StoreError) { object = try await store.object(id: id) } catch { throw GatewayError(error) }
    guard let object else { throw Self.noSuchObject }
    return response(200, object)
  }

  private func replaceObject(_ id: String, _ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let draft = ObjectDraft(try members(request))
    // Checked first, so that an invalid object is reported for unknown ids too.
    let new = try object(draft, id: try objectID(id))
    return try await change(new.id, draft) { draft.replacement(of: $0) }
  }

  private func patchObject(_ id: String, _ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let id = try objectID(id)
    let patch = ObjectDraft(try members(request))
    return try await change(id, patch) { patch.patch($0) }
  }

  /// - Parameter draft: the members that were sent, for the messages of errors.
  private func change(
    _ id: String, _ draft: ObjectDraft,
    _ change: @escaping @Sendable (CatalogueObject) -> Result<CatalogueObject, FieldProblems>
  ) async throws(GatewayError) -> ResourceResponse {
    let result: Result<CatalogueObject, FieldProblems>?
    do throws(StoreError) { result = try await store.replace(id: id, change) } catch {
      throw await refusal(error, code: draft.code?.string ?? "", draft.texts)
    }
    switch result {
    case .success(let object)?: return response(200, object)
    case .failure(let problems)?: throw .invalidFields(problems)
    case nil: throw Self.noSuchObject
    }
  }

  private func deleteObject(_ id: String) async throws(GatewayError) -> ResourceResponse {
    let id = try objectID(id)
    let isKnown: Bool
    do throws(StoreError) { isKnown = try await store.deleteObject(id: id) } catch { throw GatewayError(error) }
    guard isKnown else { throw Self.noSuchObject }
    return .deleted
  }

  private func importObjects(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let imported = try ObjectImport(request.body, isCSV: try request.isCSV())
    let objects = imported.objects
    if !objects.isEmpty {
      let taken: [Int]
      do throws(StoreError) {
        taken = try await store.importObjects(objects)
      } catch {
        guard error.code == .conflict else {
          throw await refusal(error, zip(objects, imported.rows).flatMap { StoredText.of($0, row: $1) })
        }
        throw .conflict(
          "Another writer stored objects with the same codes at the same time. Nothing was imported; try again.")
      }
      var problems = FieldProblems()
      for index in taken {
        problems.add(
          "code", "is taken: there is an object '\(Spelling.printable(objects[index].code))'", row: imported.rows[index]
        )
      }
      guard problems.isEmpty else { throw .invalidFields(problems) }
    }
    return ResourceResponse(201) {
      $0.object {
        $0.member("count", objects.count)
        $0.key("items")
        CatalogueObject.write(objects, to: &$0)
      }
    }
  }

  // MARK: Private helpers

  /// Returns the draft as a whole object.
  private func object(_ draft: ObjectDraft, id: String) throws(GatewayError) -> CatalogueObject {
    var problems = FieldProblems()
    guard let object = draft.object(id: id, into: &problems) else { throw .invalidFields(problems) }
    return object
  }

  /// Returns the UUID; a malformed id is treated like the id of an unknown object.
  private func objectID(_ text: String) throws(GatewayError) -> String {
    guard let id = uuid(text) else { throw Self.noSuchObject }
    return id
  }

  private static var noSuchObject: GatewayError { .notFound("No object has this id.") }

  private func refusal(_ error: StoreError, code: String, _ texts: [StoredText]) async -> GatewayError {
    guard error.code == .conflict else { return await refusal(error, texts) }
    return .conflict("The code '\(Spelling.printable(code))' is taken by another object.")
  }

  private func response(_ status: Int, _ object: CatalogueObject) -> ResourceResponse {
    ResourceResponse(status) { object.write(to: &$0) }
  }
}
