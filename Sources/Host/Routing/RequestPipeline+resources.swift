import AdapterAPI

/// The resources that the host stores itself: objects and widgets.
extension RequestPipeline {
  /// Reads the body and lets the catalogue respond; a sync asks the adapter first.
  @inline(never)
  func resource(
    _ kind: ResourceKind, _ route: Route, _ exchange: Exchange, _ record: RequestRecord
  ) async throws(GatewayError) -> Response {
    guard let action = record.action else { throw .notFound }
    let head = exchange.head
    // The head's bytes are gone after the first wait.
    let query = String(decoding: exchange.bytes(head.query), as: UTF8.self)
    let contentType = head.has(.contentType) ? String(decoding: exchange.bytes(head[.contentType]), as: UTF8.self) : nil
    let limit = action == .importAll ? route.configuration.maxImportSize : route.configuration.maxBodySize
    let body = try await read(exchange, limit: limit)
    let request = ResourceRequest(
      kind: kind, action: action, path: route.configuration.path, query: query, contentType: contentType, body: body)
    let resource =
      switch action {
      case .sync: try await sync(query, route, record)
      case .importAll: try await catalogue.bulk.respond(to: request)
      default: try await catalogue.rows.respond(to: request)
      }
    return Response(
      status: resource.status, fields: resource.fields, body: .bytes(resource.body),
      gateway: GatewayHeaders(requestID: record.requestID))
  }

  // MARK: sync

  private func sync(
    _ query: String, _ route: Route, _ record: RequestRecord
  ) async throws(GatewayError) -> ResourceResponse {
    let query = try SyncQuery(query, adapter: route.adapter.name)
    guard let adapter = snapshot.adapters.first(where: { $0.name == query.adapter }) else {
      let names = snapshot.adapters.map(\.name).joined(separator: ", ")
      throw GatewayError(
        .invalidField, "No adapter of that name is in use; there are \(names).",
        problems: [FieldProblem(row: nil, field: "adapter", message: "must be one of \(names)")])
    }
    record.syncedAdapter = adapter
    guard type(of: adapter.adapter).listsObjects else {
      throw .noListing(import: "\(route.configuration.path)/import")
    }
    var listed = try await objects(of: adapter, record)
    if let readCodes = adapter.readCodes { listed += try await objects(readCodes, notIn: listed) }
    return try await catalogue.bulk.sync(
      adapter: adapter.name, listed: listed, isWhole: adapter.readCodes == nil, dryRun: query.isDryRun)
  }

  /// Returns the codes that were read through this gateway and that the adapter does not list, as objects.
  private func objects(
    _ upstream: String, notIn listed: [ListedObject]
  ) async throws(GatewayError) -> [ListedObject] {
    let codes: [String]
    do throws(StoreError) { codes = try await catalogue.readCodes.codes(of: upstream) } catch {
      throw GatewayError(error)
    }
    let known = Set(listed.map { ObjectCode($0.code) })
    return codes.filter { !known.contains(ObjectCode($0)) }.map { ListedObject(code: $0, name: "", type: "") }
  }

  /// Returns all objects of an adapter, asked for page by page.
  private func objects(
    of adapter: AdapterInstance, _ record: RequestRecord
  ) async throws(GatewayError) -> [ListedObject] {
    var listed: [ListedObject] = []
    var cursor: String?
    repeat {
      let page = try await caller.withToken(of: adapter, deadline: record.deadline) { token throws(AdapterError) in
        try await self.caller.objects(
          cursor, of: adapter, Call(token: token, deadline: record.deadline, requestID: record.requestID))
      }
      listed += page.objects
      let makesProgress = page.next == nil || (!page.objects.isEmpty && page.next != cursor)
      guard makesProgress, listed.count <= ObjectImport.maximum else {
        throw GatewayError(
          .upstreamMalformed, "The upstream's list of points does not end.",
          detail: "\(listed.count) objects so far")
      }
      cursor = page.next
    } while cursor != nil
    return listed
  }
}
