import AdapterAPI

/// Opens one connection to an upstream: to the first of its addresses that accepts one (RFC 8305 §5).
///
/// `ConnectionSchedule` decides when the next address is tried; this class performs. The race holds one permit for a connection, taken
/// by the caller, and passes it to the connection that wins; the other attempts are closed. Touched by its loop's thread only.
final class ConnectionRace: LoopObject {
  typealias Outcome = Result<UpstreamConnection, UpstreamFailure>

  private let pool: UpstreamPool
  private var schedule: ConnectionSchedule
  /// The attempts under way.
  private var attempts: [UpstreamConnection] = []
  /// The request's deadline.
  private let end: Instant
  /// The last failure.
  private var failure = UpstreamFailure.unsent(.unreachable, "the name has no address")
  private var outcome: Outcome?
  private var waiter: UnsafeContinuation<Void, Never>?

  init(to addresses: [SocketAddress], pool: UpstreamPool, deadline: Instant) {
    self.pool = pool
    schedule = ConnectionSchedule(pool.addressBook.ordered(addresses))
    end = deadline
    super.init(loop: pool.loop)
  }

  /// Returns the open connection, or the failure of the attempt that failed last.
  func run() async -> Outcome {
    advance()
    if outcome == nil {
      let bound = LoopBound(self, on: loop)
      let loop = self.loop
      await withTaskCancellationHandler {
        await withUnsafeContinuation { waiter = $0 }
      } onCancel: {
        // Posted, so that the wait has begun even where the task was cancelled before.
        loop.post { bound.value.cancel() }
      }
    }
    return outcome ?? .failure(.callerLeft)
  }

  override func deadlineReached() { advance() }

  private func cancel() { finish(.failure(.callerLeft)) }

  /// The attempt has opened its connection.
  func opened(_ connection: UpstreamConnection) {
    attempts.removeAll { $0 === connection }
    finish(.success(connection))
  }

  /// The attempt has failed, and its socket is closed.
  func failed(_ connection: UpstreamConnection, _ failure: UpstreamFailure) {
    attempts.removeAll { $0 === connection }
    note(failure, of: connection.address)
    advance()
  }

  private func advance() {
    while outcome == nil {
      guard loop.now < end else { return finish(.failure(.unsent(.timeout, "no connection in time"))) }
      switch schedule.next(at: loop.now) {
      case .connect(let address): connect(to: address)
      case .wait(let next):
        if next != nil, !isRegistered { loop.add(self) }
        deadline = next
        return
      case .over: finish(.failure(failure))
      }
    }
  }

  private func connect(to address: SocketAddress) {
    switch UpstreamConnection.connect(to: address, for: self, pool: pool, deadline: end) {
    case .success(let connection) where connection.state.phase == .connecting: attempts.append(connection)
    case .success(let connection): finish(.success(connection))
    case .failure(let failure): note(failure, of: address)
    }
  }

  private func note(_ failure: UpstreamFailure, of address: SocketAddress) {
    schedule.attemptFailed()
    pool.addressBook.failed(address)
    self.failure = failure
    self.failure.detail = "\(address): \(failure.detail)"
  }

  private func finish(_ outcome: Outcome) {
    guard self.outcome == nil else { return }
    self.outcome = outcome
    deadline = nil
    loop.remove(self)
    let slower = attempts
    attempts = []
    for attempt in slower {
      attempt.race = nil
      attempt.close()
    }
    switch outcome {
    case .success(let connection):
      connection.holdsPermit = true
      pool.addressBook.connected(to: connection.address, before: slower.map(\.address))
    case .failure: pool.connections.release(.values)
    }
    let waiting = waiter
    waiter = nil
    waiting?.resume()
  }
}

/// Decides when the addresses of an upstream are tried: the next one at once when an attempt has failed, else 250 ms after the attempt
/// before (RFC 8305 §5 and §8). It has no clock.
struct ConnectionSchedule {
  enum Step: Equatable {
    case connect(SocketAddress)
    /// Wait for the attempts under way, and ask again at that time at the latest.
    case wait(until: Instant?)
    /// Every address has failed.
    case over
  }

  static let delay = Duration.milliseconds(250)
  private var left: ArraySlice<SocketAddress>
  private var running = 0
  /// The next attempt begins no earlier; nil: at once.
  private var earliest: Instant?

  init(_ addresses: [SocketAddress]) { left = addresses[...] }

  mutating func next(at now: Instant) -> Step {
    guard let address = left.first else { return running > 0 ? .wait(until: nil) : .over }
    if let earliest, now < earliest { return .wait(until: earliest) }
    left.removeFirst()
    running += 1
    earliest = now + Self.delay
    return .connect(address)
  }

  mutating func attemptFailed() {
    running -= 1
    earliest = nil
  }
}
