import AdapterAPI
import Synchronization

/// The start: the store, then the adapters' tokens, then the listeners.
extension Gateway {
  /// Opens the store, so that a wrong configuration of it is reported at the start. Only a required store prevents the start.
  func openStore(_ configuration: Configuration) throws(StartError) {
    let result = openedStore(findsUnnamedRows: SnapshotBuilder.unnamedRowsHaveNoOwner(in: configuration))
    switch result {
    case .success(hasUnnamedRows: true):
      isStoreOpen = true
      services.log.warning(
        "a token row that names no adapter is ignored, because several adapters could own it",
        [("type", "\(AdapterRegistry.unnamedTokenRowsOwner)")])
    case .success(hasUnnamedRows: false): isStoreOpen = true
    case .failure(let error):
      if configuration.store.required || error.preventsStart {
        throw StartError(exitStatus: error.needsOperator ? 1 : 3, message: error.message)
      }
      services.storeWatch.report(isUp: false)
      services.log.warning(
        "the store can't be opened; tokens are kept in memory only", [("detail", "\(error.message)")])
    }
  }

  private enum OpenedStore: Sendable {
    case success(hasUnnamedRows: Bool)
    case failure(StoreError)
  }

  /// Opens the store within 10 seconds. A database that hangs, or whose schema is locked, would never answer.
  private func openedStore(findsUnnamedRows: Bool) -> OpenedStore {
    let timeout = StoreError(
      .unavailable, "The store did not open within 10 s: it is overloaded, or another process is changing its schema.")
    let result = Mutex(OpenedStore.failure(timeout))
    let store = services.store
    wait(atMost: .seconds(10)) {
      do throws(StoreError) {
        try await store.open()
        let hasUnnamedRows = findsUnnamedRows ? try await store.tokenRows().contains { $0.adapter == nil } : false
        result.withLock { $0 = .success(hasUnnamedRows: hasUnnamedRows) }
      } catch {
        result.withLock { $0 = .failure(error) }
      }
    }
    return result.withLock { $0 }
  }

  /// Starts the background work, then accepts connections.
  func start(_ build: SnapshotBuilder.Build) {
    limitConnections(build.snapshot.configuration)
    services.storeWatch.start()
    build.activate()
    let activeAdapters = activeAdapters
    activeAdapters.set(build.snapshot.adapters)
    services.metrics.setPresent(adapters: build.snapshot.adapters.map(\.name))
    services.store.database.onTokenChange { name, version in
      activeAdapters.all.first { $0.name == name }?.keeper?.noticed(version: version)
    }
    let (services, socket, adminSocket, snapshot) = (services, socket, adminSocket, build.snapshot)
    onEachLoop { server in
      server.start(services, snapshot, on: socket)
      if server.isFirst { server.startAdmin(services, snapshot, on: adminSocket, activeAdapters) }
    }
    services.metrics.reloadSucceeded()
    services.health.start()
  }
}
