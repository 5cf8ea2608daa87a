import AdapterAPI

/// Answers the routes of what the host keeps: objects and widgets.
///
/// An actor on a thread of its own: taking 64 MiB of JSON apart must not happen on an event loop. The tables' work is
/// done on the store's thread.
///
/// Requests take turns: what one holds on its way to an answer may be a thousand times its own size, so as many are
/// worked on at once as there are places, and a turn comes only where the memory for requests is not used up.
actor Catalogue {
  let store: Store
  private let memory: MemoryBudget
  private let share: Int
  private let worker = WorkerThread()
  private var turns: TurnQueue

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  /// - Parameters:
  ///   - memory: for requests and answers, the catalogue's and all others'.
  ///   - share: nothing is begun beyond this part of it, so 2 is the half.
  ///   - places: how many requests are worked on at once.
  init(store: Store, memory: MemoryBudget, share: Int, places: Int) {
    self.store = store
    self.memory = memory
    self.share = share
    turns = TurnQueue(places: places)
  }

  /// Every action but a sync, for which the adapter has to be asked first: `sync`.
  func answer(_ request: ResourceRequest) async throws(GatewayError) -> ResourceResponse {
    try await inTurn(atMost: request.action == .importAll ? Store.longWork : Store.shortWork) {
      () async throws(GatewayError) in
      switch request.kind {
      case .objects: try await self.respondToObjects(request)
      case .widgets: try await self.respondToWidgets(request)
      }
    }
  }

  /// Runs `work` when there is a place for it.
  ///
  /// - Parameter patience: who has waited longer is sent away, so that a store that hangs keeps nobody for long.
  func inTurn(
    atMost patience: Duration, _ work: () async throws(GatewayError) -> ResourceResponse
  ) async throws(GatewayError) -> ResourceResponse {
    let began = ContinuousClock.now
    if !turns.take() {
      guard turns.hasRoom else { throw .overloaded("Too many requests wait for the catalogue; try again shortly.") }
      await withUnsafeContinuation { turns.append($0) }
    }
    defer { turns.giveBack()?.resume() }
    guard began.duration(to: .now) < patience, !Task.isCancelled else {
      throw .overloaded("The catalogue has so much to do that this request's turn did not come in time.")
    }
    guard memory.used <= memory.limit / share else {
      throw .overloaded("The gateway's memory for requests is used up; try again shortly.")
    }
    var answer = try await work()
    answer.charge(to: memory)
    return answer
  }
}

/// The same catalogue twice, with a thread each: an import that is read for a second keeps no list waiting.
struct Catalogues: Sendable {
  /// For requests about a few objects or a page of them. No engine works on more at once.
  let rows: Catalogue
  /// For imports and syncs, one after another: each may hold several times its body.
  let bulk: Catalogue

  init(store: Store, memory: MemoryBudget) {
    // Long pages that nobody takes must not shed the calls upstream.
    rows = Catalogue(store: store, memory: memory, share: 2, places: 4)
    bulk = Catalogue(store: store, memory: memory, share: 1, places: 1)
  }
}

/// Places, and who waits for one, in the order of their coming.
struct TurnQueue {
  private var free: Int
  private var waiters: [UnsafeContinuation<Void, Never>] = []
  /// So many were served already.
  private var head = 0
  private let maximumWaiters: Int

  init(places: Int, maximumWaiters: Int = 1000) {
    free = places
    self.maximumWaiters = maximumWaiters
  }

  /// Whether another one may wait.
  var hasRoom: Bool { waiters.count - head < maximumWaiters }

  /// - Returns: whether there was a place.
  mutating func take() -> Bool {
    guard free > 0 else { return false }
    free -= 1
    return true
  }

  mutating func append(_ waiter: UnsafeContinuation<Void, Never>) { waiters.append(waiter) }

  /// - Returns: who has the place now.
  mutating func giveBack() -> UnsafeContinuation<Void, Never>? {
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
