import AdapterAPI

/// What the host keeps itself: objects and widgets.
extension RequestPipeline {
  /// Reads the body, and has the catalogue answer; a sync asks the adapter first.
  @inline(never)
  func resource(
    _ kind: ResourceKind, _ action: ResourceAction?, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> ResourceResponse {
    guard let action else { throw .notFound }
    let head = exchange.head
    // Copied now: the head is gone after the first wait.
    let query = String(decoding: exchange.bytes(head.query), as: UTF8.self)
    let contentType = head.has(.contentType) ? String(decoding: exchange.bytes(head[.contentType]), as: UTF8.self) : nil
    let limit = action == .importAll ? route.configuration.maxImportSize : route.configuration.maxBodySize
    let body = try await read(exchange, limit: limit)
    if action == .sync { return try await sync(query, route, exchange, report) }
    let catalogue = action == .importAll ? catalogue.bulk : catalogue.rows
    let resource = ResourceRequest(
      kind: kind, action: action, path: route.configuration.path, query: query, contentType: contentType, body: body)
    return try await catalogue.respond(to: resource)
  }

  // MARK: sync

  /// So many objects of one adapter are taken at most.
  private static let maximumListed = ObjectImport.maximum

  private func sync(
    _ query: String, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> ResourceResponse {
    let wish = try SyncQuery(query, adapter: route.adapter.name)
    guard let adapter = snapshot.adapters.first(where: { $0.name == wish.adapter }) else {
      throw GatewayError(
        .invalidField, "No adapter of that name is in use; there are \(names).",
        problems: [FieldProblem(row: nil, field: "adapter", message: "must be one of \(names)")])
    }
    guard type(of: adapter.adapter).listsObjects else {
      throw .noListing(import: "\(route.configuration.path)/import")
    }
    let deadline = exchange.began.advanced(byNanoseconds: route.timeout)
    let listed = try await list(adapter, deadline: deadline, report)
    return try await catalogue.bulk.sync(adapter: adapter.name, listed: listed, dryRun: wish.isDryRun)
  }

  private var names: String { snapshot.adapters.map(\.name).joined(separator: ", ") }

  /// Everything that the adapter has, page by page.
  private func list(
    _ adapter: AdapterInstance, deadline: Instant, _ report: Report
  ) async throws(GatewayError) -> [ListedObject] {
    var listed: [ListedObject] = []
    var cursor: String?
    repeat {
      let page = try await caller.withToken(of: adapter, deadline: deadline) { token throws(AdapterError) in
        try await self.caller.objects(
          cursor, of: adapter, Call(token: token, deadline: deadline, requestID: report.requestID))
      }
      listed += page.objects
      let goesOn = page.next == nil || (!page.objects.isEmpty && page.next != cursor)
      guard goesOn, listed.count <= Self.maximumListed else {
        throw GatewayError(
          .upstreamMalformed, "The upstream's list of points does not end.",
          detail: "\(listed.count) objects so far")
      }
      cursor = page.next
    } while cursor != nil
    return listed
  }
}
