import AdapterAPI
import Synchronization

/// The host's HTTP client for one upstream: a pool per loop, limits over all loops.
final class UpstreamClient: HTTPClient {
  private let baseURL: BaseURL
  private let limits: Configuration.UpstreamLimits
  private let resolver: Resolver
  /// A numeric host needs no resolver.
  private let numeric: [SocketAddress]?
  private let calls: Permits
  private let pools: [LoopBound<UpstreamPool>]

  init(baseURL: BaseURL, limits: Configuration.UpstreamLimits, group: EventLoopGroup, resolver: Resolver) {
    self.baseURL = baseURL
    self.limits = limits
    self.resolver = resolver
    numeric = SocketAddress(numeric: baseURL.host, port: baseURL.port).map { [$0] }
    // More calls than connections could only wait for connections.
    let calls = Permits(limit: max(1, min(limits.maxInFlight, limits.maxConnections)), keepsFree: true)
    let connections = Permits(limit: max(1, limits.maxConnections))
    self.calls = calls
    let serializer = RequestSerializer(baseURL)
    let pools = group.loops.map { loop in
      LoopBound(UpstreamPool(loop: loop, limits: limits, connections: connections, serializer: serializer), on: loop)
    }
    self.pools = pools
    for pool in pools {
      pool.loop.post {
        let others = pools.filter { $0.loop !== pool.loop }
        pool.value.link(to: others)
      }
    }
  }

  /// Calls that are under way.
  var inFlight: Int { calls.inUse }

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

  /// Sends from `loop`, on which the caller is.
  func send(_ request: HTTPRequest, on loop: EventLoop, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    let pool = pools[loop.index].value
    let deadline = min(deadline, pool.loop.now.advanced(byNanoseconds: pool.timeouts.total))
    let priority = request.priority
    if !calls.tryAcquire(priority), let error = await waitForPlace(priority, pool, deadline: deadline) {
      throw error
    }
    var retriesLeft = request.isWrite ? 0 : limits.readRetries
    var fresh = false
    while true {
      guard deadline > pool.loop.now else {
        calls.release(priority)
        throw AdapterError(
          .timeout, "The upstream did not answer in time.", detail: "the time was over before the request was sent")
      }
      let connection: UpstreamConnection
      if !fresh, let kept = pool.kept() {
        connection = kept
      } else {
        switch await newConnection(priority, pool, deadline: deadline) {
        case .success(let made): connection = made
        case .failure(let failure):
          calls.release(priority)
          throw AdapterError(failure)
        }
      }
      let wasKept = connection.exchanges > 0
      switch await connection.exchange(request, deadline: deadline) {
      case .success(var response):
        if case .stream(let prefix, let rest) = response.body {
          // The place is given back when the stream ends.
          response.body = .stream(prefix: prefix, rest: PermitHoldingStream(rest, of: calls, priority))
        } else {
          calls.release(priority)
        }
        return response
      case .failure(let failure):
        // Again where that is safe: a write only when no byte of it left, a read only when no byte of an answer came. An old
        // connection that turned out dead says nothing about the upstream; a new one costs a retry.
        let isSafe = failure.kind == .unreachable && !failure.answerBegan && (!failure.requestLeft || !request.isWrite)
        let isFree = wasKept && !fresh
        guard isSafe, isFree || retriesLeft > 0 else {
          calls.release(priority)
          throw AdapterError(failure)
        }
        if !isFree { retriesLeft -= 1 }
        fresh = true
      }
    }
  }

  /// Waits in the queue; nil when there is a place.
  private func waitForPlace(_ priority: Priority, _ pool: UpstreamPool, deadline: Instant) async -> AdapterError? {
    let waitEnd = pool.loop.now.advanced(byNanoseconds: pool.timeouts.queueWait)
    switch await calls.acquire(priority, on: pool.loop, until: min(waitEnd, deadline), bound: limits.queueSize) {
    case .granted: return nil
    case .cancelled: return AdapterError(.cancelled, "The caller left.")
    case .full: return overloaded("the queue is full (queue.size \(limits.queueSize))")
    case .timedOut: return overloaded("no place became free within queue.wait")
    }
  }

  private func newConnection(
    _ priority: Priority, _ pool: UpstreamPool, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamFailure> {
    if let numeric { return await pool.connection(to: numeric, priority, deadline: deadline) }
    do {
      return await pool.connection(
        to: try await resolver.addresses(of: baseURL, deadline: deadline), priority, deadline: deadline)
    } catch {
      return .failure(.init(kind: .unreachable, detail: error.detail, requestLeft: false))
    }
  }

  /// Where the upstream is: its addresses, looked up where it is known by a name. Sends nothing to it.
  func addresses(deadline: Instant) async throws(AdapterError) -> [SocketAddress] {
    if let numeric { return numeric }
    do {
      return try await resolver.addresses(of: baseURL, deadline: deadline)
    } catch {
      throw AdapterError(.unreachable, "The upstream could not be reached.", detail: error.detail)
    }
  }

  /// Opens one connection and keeps it for the next call. Sends nothing. Call it on one of the loops.
  func connect(deadline: Instant) async throws(AdapterError) {
    guard let loop = EventLoop.current, loop.index < pools.count else {
      throw AdapterError(.unreachable, "The upstream could not be reached.", detail: "not on an event loop")
    }
    let pool = pools[loop.index].value
    switch await newConnection(.values, pool, deadline: deadline) {
    case .success(let connection): pool.takeBack(connection)
    case .failure(let failure): throw AdapterError(failure)
    }
  }

  private func overloaded(_ detail: String) -> AdapterError {
    // By then whoever waits now has been served or has given up.
    AdapterError(
      .overloaded, "The upstream is busy; try again shortly.", detail: detail,
      retryAfter: min(limits.queueWait, .seconds(30)))
  }

  /// No more calls come.
  func shutdown() {
    for pool in pools { pool.loop.execute { pool.value.shutdown() } }
  }
}

extension UpstreamPool {
  /// Tells this pool of the pools of the other loops.
  fileprivate func link(to others: [LoopBound<UpstreamPool>]) {
    askOthersForIdle = { for other in others { other.loop.post { other.value.giveUpIdle() } } }
  }
}

/// A streamed answer that gives the call's place back at its end.
private final class PermitHoldingStream: RelayedStream {
  private let stream: any BodyStream
  private let calls: Permits
  private let priority: Priority
  private let isHeld = Atomic<Bool>(true)

  init(_ stream: any BodyStream, of calls: Permits, _ priority: Priority) {
    self.stream = stream
    self.calls = calls
    self.priority = priority
  }

  var remaining: Int? { stream.remaining }

  func next() async throws(AdapterError) -> [UInt8]? {
    do {
      let piece = try await stream.next()
      if piece == nil { release() }
      return piece
    } catch {
      release()
      throw error
    }
  }

  func relay(to exchange: Exchange) async -> Relay.End {
    guard let stream = stream as? any RelayedStream else { return .unfinished }
    let end = await stream.relay(to: exchange)
    if case .unfinished = end { return end }
    release()
    return end
  }

  func cancel() {
    stream.cancel()
    release()
  }

  private func release() {
    if isHeld.exchange(false, ordering: .relaxed) { calls.release(priority) }
  }

  deinit { release() }
}
