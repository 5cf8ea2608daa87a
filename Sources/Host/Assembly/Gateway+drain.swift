import AdapterAPI
import Synchronization

/// The end: no new connections, then the requests in flight, then tokens and store.
extension Gateway {
  /// Stops accepting, lets requests in flight end within `drain_timeout`, then closes the store. Returns when all of it is done.
  ///
  /// Opens no descriptor and creates no thread: clients may have taken all descriptors.
  func drain() {
    let timeout = snapshot.configuration.listen.drainTimeout
    services.log.info("draining: no new connections", [("timeoutMs", .int(Int(timeout.milliseconds)))])
    services.health.drain()
    // Requests that are cut off now say nothing about the upstreams.
    for adapter in snapshot.adapters { adapter.watch.end() }
    endRequests(within: timeout)
    let connections = services.connections
    let isLate = connections.current + connections.abandoned > 0
    services.storeWatch.stop()
    closeEverything()
    if isLate { logCuts() }
    services.log.info("stopped", [])
    services.log.flush()
  }

  private func logCuts() {
    let total = Mutex(CutRequests())
    onEachLoop { server in total.withLock { $0.add(server.cuts) } }
    let cuts = total.withLock { $0 }
    services.log.warning(
      "drain_timeout was over before all requests had ended",
      [
        ("answered503", .int(cuts.refused)), ("responsesCut", .int(cuts.brokenOff)),
        ("writesUnknown", .int(cuts.unknownWrites)),
      ])
  }

  private func endRequests(within timeout: Duration) {
    let (loops, socket, services) = (loops, socket, services)
    let deadline = Instant(nanoseconds: System.monotonic()) + timeout
    wait {
      await loops.forEachOnLoop { $0.stopListening() }
      // Closed before the wait: a new client is refused at once and tries another server, instead of waiting in a backlog from
      // which no connection is accepted any more.
      socket.close()
      await loops.forEachOnLoop { $0.drain() }
      services.sharing.drain()
      await services.waitForConnections(until: deadline, every: .milliseconds(20)) { $0.current + $0.abandoned }
    }
  }

  private func closeEverything() {
    let (loops, services) = (loops, services)
    let keepers = snapshot.adapters.compactMap(\.keeper)
    wait(atMost: .seconds(5)) {
      await loops.endRequests(services)
      // In parallel: each one may wait for a store that does not respond, and all of them share the same five seconds.
      await withTaskGroup(of: Void.self) { stops in
        for keeper in keepers { stops.addTask { await keeper.stop() } }
      }
      // Ends the writes whose callers have left or have a response, so that the log says of each that its outcome is unknown.
      await loops.forEachOnLoop { _ in
        for object in EventLoop.current?.allObjects ?? [] { (object as? UpstreamConnection)?.cut() }
      }
      // Clients take their last responses meanwhile.
      await services.waitForConnections(until: services.clock.now() + .milliseconds(500), every: .milliseconds(5)) {
        $0.current + $0.abandoned
      }
      await loops.forEachOnLoop { $0.closeConnections() }
      await services.store.close()
    }
  }
}

extension [LoopBound<LoopServer>] {
  /// Ends the requests that have outlasted `drain_timeout`: first by their own handlers, which know what became of their calls.
  fileprivate func endRequests(_ services: Services) async {
    await forEachOnLoop { $0.cutRequests() }
    let end = services.clock.now() + .milliseconds(100)
    while await unansweredCount() > 0, services.clock.now() < end {
      try? await services.clock.sleep(until: services.clock.now() + .milliseconds(5))
    }
    await forEachOnLoop { $0.endRequests() }
  }

  private func unansweredCount() async -> Int {
    let count = Mutex(0)
    await forEachOnLoop { server in count.withLock { $0 += server.unansweredCount } }
    return count.withLock { $0 }
  }
}

extension Services {
  /// Waits until the count is 0, at most until the deadline.
  fileprivate func waitForConnections(
    until deadline: Instant, every pause: Duration, _ count: @Sendable (ConnectionCount) -> Int
  ) async {
    let clock = clock
    while count(connections) > 0, clock.now() < deadline { try? await clock.sleep(until: clock.now() + pause) }
  }
}
