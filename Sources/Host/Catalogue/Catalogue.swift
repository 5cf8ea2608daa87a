import AdapterAPI

/// Answers the routes of what the host keeps: objects and widgets.
///
/// An actor on a thread of its own: taking 64 MiB of JSON apart must not happen on an event loop. The tables' work is
/// done on the store's thread.
actor Catalogue {
  let store: Store
  private let worker = WorkerThread()

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(store: Store) { self.store = store }

  /// Every action but a sync, for which the adapter has to be asked first: `sync`.
  func answer(_ request: ResourceRequest) async throws(GatewayError) -> ResourceAnswer {
    switch request.kind {
    case .objects: try await answerObjects(request)
    case .widgets: try await answerWidgets(request)
    }
  }
}
