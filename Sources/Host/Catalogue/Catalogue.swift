import AdapterAPI

/// Serves the routes of the stored resources: objects and widgets.
///
/// An actor on its own thread, because parsing 64 MiB of JSON must not block an event loop. The database work runs on
/// the store's threads.
///
/// A request may need a thousand times its own size while it is processed. So the number of concurrent requests is
/// limited by permits, and a request is refused when the memory for requests is used up.
actor Catalogue {
  let store: Store
  private let memory: MemoryBudget
  private let share: Int
  private let worker = WorkerThread()
  private var permits: PermitQueue

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  /// - Parameters:
  ///   - memory: the budget for all requests and responses of the gateway.
  ///   - share: no request is started while more than the budget divided by this number is used.
  ///   - permits: the number of permits.
  init(store: Store, memory: MemoryBudget, share: Int, permits: Int) {
    self.store = store
    self.memory = memory
    self.share = share
    self.permits = PermitQueue(permits: permits)
  }

  /// Handles every action except `sync`, which needs the adapter's list.
  func respond(to request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    try await withPermit(within: request.action == .importAll ? Store.longWork : Store.shortWork) {
      () async throws(GatewayError) in
      switch request.kind {
      case .objects: try await self.respondToObjects(request)
      case .widgets: try await self.respondToWidgets(request)
      }
    }
  }

  /// Runs `work` with a permit.
  ///
  /// - Parameter limit: the longest wait for the permit. It protects the callers from a store that does not respond.
  func withPermit(
    within limit: Duration, _ work: () async throws(GatewayError) -> ResourceResponse
  ) async throws(GatewayError) -> ResourceResponse {
    let began = ContinuousClock.now
    if !permits.take() {
      guard permits.hasRoom else {
        throw .overloaded("Too many requests are waiting for the catalogue. Try again shortly.")
      }
      await withUnsafeContinuation { permits.append($0) }
    }
    defer { permits.release()?.resume() }
    guard began.duration(to: .now) < limit, !Task.isCancelled else {
      throw .overloaded("The catalogue is busy; the request was not started in time.")
    }
    guard memory.used <= memory.limit / share else {
      throw .overloaded("The gateway's memory for requests is used up. Try again shortly.")
    }
    var response = try await work()
    response.charge(to: memory)
    return response
  }
}

/// Two catalogues over the same store, with one thread each, so that a long import does not delay short requests.
struct Catalogues: Sendable {
  /// For requests about single objects or pages. No database engine processes more of them at once.
  let rows: Catalogue
  /// For imports and syncs, one at a time: each may need several times the size of its body.
  let bulk: Catalogue
  let readCodes: ReadCodes

  init(store: Store, memory: MemoryBudget) {
    // Half of the memory stays free for upstream calls, even when slow clients do not read their pages.
    rows = Catalogue(store: store, memory: memory, share: 2, permits: 4)
    bulk = Catalogue(store: store, memory: memory, share: 1, permits: 1)
    readCodes = ReadCodes(store: store)
  }
}

/// Permits with a queue of waiters in order of arrival.
struct PermitQueue {
  private var free: Int
  private var waiters: [UnsafeContinuation<Void, Never>] = []
  /// The number of leading `waiters` that were resumed already.
  private var head = 0
  private let maximumWaiters: Int

  init(permits: Int, maximumWaiters: Int = 1000) {
    free = permits
    self.maximumWaiters = maximumWaiters
  }

  /// Another waiter may be added.
  var hasRoom: Bool { waiters.count - head < maximumWaiters }

  /// - Returns: whether a permit was free.
  mutating func take() -> Bool {
    guard free > 0 else { return false }
    free -= 1
    return true
  }

  mutating func append(_ waiter: UnsafeContinuation<Void, Never>) { waiters.append(waiter) }

  /// Releases a permit.
  ///
  /// - Returns: the waiter that gets the permit.
  mutating func release() -> UnsafeContinuation<Void, Never>? {
    guard head < waiters.count else {
      free += 1
      return nil
    }
    head += 1
    let next = waiters[head - 1]
    if head > waiters.count / 2 {
      waiters.removeFirst(head)
      head = 0
    }
    return next
  }
}
