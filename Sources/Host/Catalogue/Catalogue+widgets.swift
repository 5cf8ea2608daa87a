import AdapterAPI

/// The routes below `/api/dashboard/widgets`.
extension Catalogue {
  func respondToWidgets(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    _ = try ResourceQuery(request.query, [])
    switch request.action {
    case .list: return try await listWidgets()
    case .create: return try await createWidget(request)
    case .read(let id): return try await readWidget(id)
    case .replace(let id): return try await replaceWidget(id, request)
    case .delete(let id): return try await deleteWidget(id)
    // Unreachable: `ResourceAction.match` returns no such action for widgets.
    case .patch, .importAll, .sync: throw .notFound
    }
  }

  private func listWidgets() async throws(GatewayError) -> ResourceResponse {
    let widgets: [DashboardWidget]
    do throws(StoreError) { widgets = try await store.widgets() } catch { throw GatewayError(error) }
    return ResourceResponse(200) { $0.array(of: widgets) { $1.write(to: &$0) } }
  }

  private func createWidget(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let widget = try widget(request, id: newUUID())
    let outcome: Store.WidgetWriteOutcome
    do throws(StoreError) { outcome = try await store.create(widget) } catch {
      throw await refusal(error, StoredText.of(widget))
    }
    if outcome == .full { throw Self.full }
    return response(201, widget)
  }

  private func readWidget(_ id: String) async throws(GatewayError) -> ResourceResponse {
    let id = try widgetID(id)
    let widget: DashboardWidget?
    do throws(StoreError) { widget = try await store.widget(id: id) } catch { throw GatewayError(error) }
    guard let widget else { throw Self.noSuchWidget }
    return response(200, widget)
  }

  private func replaceWidget(_ id: String, _ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    let widget = try widget(request, id: try widgetID(id))
    let outcome: Store.WidgetWriteOutcome
    do throws(StoreError) { outcome = try await store.replace(widget) } catch {
      throw await refusal(error, StoredText.of(widget))
    }
    switch outcome {
    case .written: return response(200, widget)
    case .unknown: throw Self.noSuchWidget
    case .full: throw Self.full
    }
  }

  private func deleteWidget(_ id: String) async throws(GatewayError) -> ResourceResponse {
    let id = try widgetID(id)
    let isKnown: Bool
    do throws(StoreError) { isKnown = try await store.deleteWidget(id: id) } catch { throw GatewayError(error) }
    guard isKnown else { throw Self.noSuchWidget }
    return .deleted
  }

  /// Reads the body as a widget.
  private func widget(_ request: ResourceRequest, id: String) throws(GatewayError) -> DashboardWidget {
    var reader = WidgetReader()
    guard let widget = reader.widget(try members(request), id: id) else { throw .invalidFields(reader.problems) }
    return widget
  }

  /// Returns the UUID; a malformed id is treated like the id of an unknown widget.
  private func widgetID(_ text: String) throws(GatewayError) -> String {
    guard let id = uuid(text) else { throw Self.noSuchWidget }
    return id
  }

  private static var full: GatewayError {
    .conflict(
      "The dashboard is full: it has at most \(Store.maximumWidgets) widgets, whose options and codes have at most "
        + "\(Store.maximumWidgetText) characters together. Delete or shorten one first.")
  }

  private static var noSuchWidget: GatewayError { .notFound("No widget has this id.") }

  private func response(_ status: Int, _ widget: DashboardWidget) -> ResourceResponse {
    ResourceResponse(status) { widget.write(to: &$0) }
  }
}
