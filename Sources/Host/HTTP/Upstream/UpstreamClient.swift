import AdapterAPI

/// The host's HTTP client for one upstream: a connection pool per loop, and limits over all loops.
final class UpstreamClient: HTTPClient {
  let baseURL: BaseURL
  private let options: UpstreamOptions
  private let addresses: UpstreamAddresses
  private let requests: any PermitPool
  private let connections: any PermitPool
  private let queueWait: DurationHistogram
  private let idleCounts: [Gauge]
  private let pools: [LoopBound<UpstreamPool>]
  private let observer: UpstreamObserver?

  /// - Parameters:
  ///   - requests: Permits for requests in flight. More than there are for connections make no sense: the rest could only wait for
  ///     connections.
  ///   - connections: Permits for open connections.
  ///   - instruments: Shared by all clients of an adapter, and by those of later configurations.
  ///   - observer: Learns whether the upstream responds.
  init(
    baseURL: BaseURL, options: UpstreamOptions, requests: any PermitPool, connections: any PermitPool,
    group: EventLoopGroup, resolver: Resolver, instruments: UpstreamInstruments = UpstreamInstruments(),
    observer: UpstreamObserver? = nil
  ) {
    self.baseURL = baseURL
    self.observer = observer
    self.options = options
    self.requests = requests
    self.connections = connections
    queueWait = instruments.queueWait
    let serializer = RequestSerializer(baseURL)
    let idleCounts = group.loops.map { _ in Gauge() }
    let addressBook = AddressBook()
    let pools = group.loops.map { loop in
      LoopBound(
        UpstreamPool(
          loop: loop, options: options, requests: requests, connections: connections, serializer: serializer,
          addressBook: addressBook, traffic: instruments.traffic, idleCount: idleCounts[loop.index]), on: loop)
    }
    self.pools = pools
    self.idleCounts = idleCounts
    addresses = UpstreamAddresses(of: baseURL, resolver: resolver, refresh: options.dnsRefresh) { addresses in
      for pool in pools { pool.loop.post { pool.value.keepOnly(addresses) } }
    }
    for pool in pools {
      pool.loop.post {
        let elsewhere = pools.filter { $0.loop !== pool.loop }
        pool.value.closeIdleElsewhere = { for pool in elsewhere { pool.loop.post { pool.value.closeIdle() } } }
      }
    }
  }

  /// The number of requests in flight.
  var inFlight: Int { requests.inUse }

  /// The number of requests that wait for a permit.
  var queueLength: Int { requests.waiters }

  /// The number of connections without an exchange, and of those that are being opened or have one. Other threads change both
  /// meanwhile.
  var connectionCounts: (idle: Int, active: Int) {
    let idle = idleCounts.reduce(0) { $0 + $1.value }
    return (idle, max(0, connections.inUse - idle))
  }

  func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    if let loop = EventLoop.current { return try await send(request, on: loop, deadline: deadline) }
    let home = pools[Int.random(in: 0..<pools.count)].loop
    let result: Result<HTTPResponse, AdapterError> = await withTaskExecutorPreference(home) {
      do throws(AdapterError) {
        return .success(try await self.send(request, on: home, deadline: deadline))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Sends a request from `loop`, on which the caller runs.
  func send(_ request: HTTPRequest, on loop: EventLoop, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    let pool = pools[loop.index].value
    let deadline = min(deadline, pool.loop.now.advanced(byNanoseconds: pool.timeouts.total))
    let priority = request.priority
    let began = pool.loop.now
    if !requests.tryAcquire(priority), let error = await waitForPermit(priority, pool, deadline: deadline) {
      throw error
    }
    var retriesLeft = request.isWrite ? 0 : options.readRetries
    var mustOpen = false
    while true {
      guard deadline > pool.loop.now else {
        requests.release(priority)
        throw AdapterError(.unsent(.timeout, "the deadline passed before the request was sent"))
      }
      let outcome: Result<HTTPResponse, UpstreamFailure>
      var wasUsed = true
      if !mustOpen, let idle = pool.checkOut() {
        wasUsed = idle.state.exchanges > 0
        outcome = await idle.exchange(request, deadline: deadline)
      } else if !mustOpen, connections.isUsedUp, let elsewhere = await exchangeElsewhere(request, deadline, loop) {
        outcome = elsewhere
      } else {
        wasUsed = false
        switch await open(priority, pool, deadline: deadline) {
        case .success(let opened): outcome = await opened.exchange(request, deadline: deadline)
        case .failure(let failure):
          requests.release(priority)
          if failure != .noConnectionFree { observer?.failed(failure, began) }
          throw AdapterError(failure)
        }
      }
      switch outcome {
      case .success(let response):
        observer?.responded(response.status, pool.loop.now)
        // A streamed body returns the permit at its end.
        if response.body.isWhole { requests.release(priority) }
        return response
      case .failure(let failure):
        // Sent again where that is safe: a write when no byte of it has left, a read when no byte of a response has come. A used
        // connection that turns out dead says nothing about the upstream; a new one counts as a retry.
        let isSafe =
          failure.kind == .unreachable && !failure.responseBegan && (!failure.requestLeft || !request.isWrite)
        let isFree = wasUsed && !mustOpen
        guard isSafe, isFree || retriesLeft > 0 else {
          requests.release(priority)
          observer?.failed(failure, began)
          throw AdapterError(failure)
        }
        if !isFree { retriesLeft -= 1 }
        mustOpen = true
      }
    }
  }

  /// Sends the request on an idle connection of another loop, where no further one may be opened. To close that one and open another
  /// would cost the upstream a connection for nearly every request that has waited in the queue.
  ///
  /// - Returns: nil when no loop has an idle connection.
  @inline(never)
  private func exchangeElsewhere(
    _ request: HTTPRequest, _ deadline: Instant, _ own: EventLoop
  ) async -> Result<HTTPResponse, UpstreamFailure>? {
    for pool in pools where pool.loop !== own && idleCounts[pool.loop.index].value > 0 {
      let outcome: Result<HTTPResponse, UpstreamFailure>? = await withTaskExecutorPreference(pool.loop) {
        // A request of that loop may have been faster.
        guard let idle = pool.value.checkOut() else { return nil }
        return await idle.exchange(request, deadline: deadline)
      }
      if let outcome { return outcome }
    }
    return nil
  }

  /// Waits in the queue. Returns nil when a permit was granted.
  private func waitForPermit(_ priority: Priority, _ pool: UpstreamPool, deadline: Instant) async -> AdapterError? {
    let began = System.monotonic()
    defer { queueWait.observe(nanoseconds: System.monotonic() - began) }
    let waitEnd = pool.loop.now.advanced(byNanoseconds: pool.timeouts.queueWait)
    switch await requests.acquire(
      priority, on: pool.loop, until: min(waitEnd, deadline), bound: options.queueSize, whenWaiting: {})
    {
    case .granted: return nil
    case .cancelled: return AdapterError(.callerLeft)
    case .full: return overloaded("the queue is full (queue.size \(options.queueSize))")
    case .timedOut: return overloaded("no request in flight ended within queue.wait")
    }
  }

  private func overloaded(_ detail: String) -> AdapterError {
    // By then, every request that waits now has been sent or refused.
    AdapterError(
      .overloaded, "The upstream is busy; try again shortly.", detail: detail,
      retryAfter: min(options.queueWait, .seconds(30)))
  }

  private func open(
    _ priority: Priority, _ pool: UpstreamPool, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamFailure> {
    do {
      return await pool.open(to: try await addresses.current(deadline: deadline), priority, deadline: deadline)
    } catch {
      return .failure(.unsent(.unreachable, error.detail))
    }
  }

  /// Returns the addresses of the upstream, looked up where its host is a name. Sends nothing to it.
  func addresses(deadline: Instant) async throws(AdapterError) -> [SocketAddress] {
    do {
      return try await addresses.current(deadline: deadline)
    } catch {
      throw AdapterError(.unsent(.unreachable, error.detail))
    }
  }

  /// Opens one connection and keeps it for the next request. Sends nothing. To be called on one of the loops.
  func connect(deadline: Instant) async throws(AdapterError) {
    guard let loop = EventLoop.current, loop.index < pools.count else {
      throw AdapterError(.unsent(.unreachable, "not on an event loop"))
    }
    let pool = pools[loop.index].value
    switch await open(.values, pool, deadline: deadline) {
    case .success(let connection): pool.returned(connection)
    case .failure(let failure): throw AdapterError(failure)
    }
  }

  /// Closes the idle connections. No further requests come.
  func shutdown() {
    addresses.shutdown()
    for pool in pools { pool.loop.execute { pool.value.shutdown() } }
  }
}
