import AdapterAPI

// How a flight's call is started in a task of its own, and how a flight ends: in that task, or in that of the request which leads
// it (`RequestPipeline.lead`).
extension Sharing {
  /// What came of a call that is nobody's: an answer, or everybody's error.
  typealias CallResult = Result<AdapterResponse, GatewayError>

  /// Starts a flight that is in the table: its call runs as a task of its own on this loop, at once up to its first wait.
  func start(
    _ flight: Flight, _ writes: WriteEpoch, on loop: EventLoop, call: @escaping @Sendable () async -> CallResult
  ) {
    let task = Task.immediate(executorPreference: loop) {
      await self.land(flight, await call(), writes, on: loop)
    }
    flight.onCancel { task.cancel() }
  }

  /// The flight's call has ended.
  func land(_ flight: Flight, _ result: CallResult, _ writes: WriteEpoch, on loop: EventLoop) async {
    switch result {
    case .failure(let error): end(flight, .failed(error), on: loop)
    case .success(let response):
      guard case .stream(let prefix, let rest) = response.body else { return end(flight, response, writes, on: loop) }
      await land(flight, response, prefix, rest, writes, on: loop)
    }
  }

  /// The flight brought nothing that is kept.
  private func end(_ flight: Flight, _ landing: Landing, on loop: EventLoop) {
    tell(endWithoutKeeping(flight, on: loop), landing)
  }

  private func endWithoutKeeping(_ flight: Flight, on loop: EventLoop) -> Seats<Waiter> {
    withStripe(of: flight.key) { stripe in
      // Another route may keep what this one does not.
      if flight.policy.keeps { stripe.answers.refreshFailed(flight.key, now: loop.now) }
      return stripe.flights.end(flight)
    }
  }

  /// A whole answer is there.
  ///
  /// - Parameter charge: what it counts for where it is not kept; nil for a short one.
  private func end(
    _ flight: Flight, _ response: AdapterResponse, charge: MemoryCharge? = nil, _ writes: WriteEpoch,
    on loop: EventLoop
  ) {
    guard flight.policy.keeps, isKeepable(response, of: flight, writes) else {
      return end(flight, .answer(HeldAnswer(response: response, charge: charge)), on: loop)
    }
    let response = response.trimmed
    let now = loop.now
    // One step: who comes in meanwhile finds the flight, or its answer.
    let (seats, kept) = withStripe(of: flight.key) { stripe -> (Seats<Waiter>, HeldAnswer?) in
      let kept = stripe.answers.keep(response, of: flight, now: now)
      return (stripe.flights.end(flight), kept)
    }
    tell(seats, .answer(kept ?? HeldAnswer(response: response, charge: charge)))
    if kept != nil || keepElsewhere(response, flight, now) { sweepLater() }
  }

  /// Only what is whole and good, and what the upstream said when it showed every write that had ended; no write has begun since.
  private func isKeepable(_ response: AdapterResponse, of flight: Flight, _ writes: WriteEpoch) -> Bool {
    let view = writes.view(settle: flight.policy.settle)
    return view.number == flight.epoch && view.settledFrom <= flight.began && response.isGood
  }

  /// This stripe had nothing to drop for it: the others give way, one after another.
  private func keepElsewhere(_ response: AdapterResponse, _ flight: Flight, _ now: Instant) -> Bool {
    guard response.body.prefix.count <= kept.limit / 2 else { return false }
    for _ in 0..<64 {
      let dropped = dropSome()
      if withStripe(of: flight.key, { $0.answers.keep(response, of: flight, now: now) != nil }) { return true }
      guard dropped else { return false }
    }
    return false
  }

  /// Keeps no more than the server's memory, as it is now, has room for.
  func keepWithinLimit() { while kept.isExceeded, dropSome() {} }

  /// Drops one answer of each stripe; false when nothing is kept.
  private func dropSome() -> Bool {
    var dropped = false
    forEachStripe { dropped = $0.answers.dropOne() || dropped }
    return dropped
  }

  // MARK: an answer that is still arriving

  /// The stream is the only caller's own; for several it is gathered, as far as `largestAnswer` goes.
  private func land(
    _ flight: Flight, _ response: AdapterResponse, _ prefix: [UInt8], _ rest: any BodyStream, _ writes: WriteEpoch,
    on loop: EventLoop
  ) async {
    let isWanted = flight.policy.keeps && response.verdict == .ok && response.status == 200
    if !isWanted, let sole = withStripe(of: flight.key, { $0.flights.endForOne(flight) }) {
      return tell(sole, .answer(HeldAnswer(response: response)))
    }
    if let remaining = rest.remaining, remaining > Sharing.largestAnswer - prefix.count {
      return divide(flight, response, on: loop)
    }
    var body = prefix
    body.reserveCapacity(prefix.count + (rest.remaining ?? 0))
    // What has arrived so far.
    var charged = body.count
    memory.add(charged)
    defer { memory.add(-charged) }
    do throws(AdapterError) {
      while let piece = try await rest.next() {
        body.append(contentsOf: piece)
        memory.add(piece.count)
        charged += piece.count
        if body.count > Sharing.largestAnswer || memory.isExceeded(by: 0) {
          var divided = response
          divided.body = .stream(prefix: body, rest: rest)
          return divide(flight, divided, on: loop)
        }
      }
    } catch {
      return end(flight, .failed(GatewayError(error)), on: loop)
    }
    var whole = response
    whole.body = .bytes(body)
    end(flight, whole, charge: MemoryCharge(body.count, to: memory), writes, on: loop)
  }

  /// An answer too large to be shared: the first who waits gets it as it comes, the others ask for themselves.
  private func divide(_ flight: Flight, _ response: AdapterResponse, on loop: EventLoop) {
    var seats = endWithoutKeeping(flight, on: loop)
    if let first = seats.removeFirst() {
      tell(first, .answer(HeldAnswer(response: response)))
    } else if case .stream(_, let rest) = response.body {
      rest.cancel()
    }
    tell(seats, .alone)
  }

  // MARK: expired answers

  /// Once a second, as long as anything is kept, so that an idle gateway holds nothing.
  private func sweepLater() {
    guard !isSweeping.exchange(true, ordering: .sequentiallyConsistent) else { return }
    Task(executorPreference: home) { [weak self, home] in
      let clock = LoopClock(home: home)
      while true {
        try? await clock.sleep(until: clock.now() + .seconds(1))
        guard let self else { return }
        let now = clock.now()
        self.forEachStripe { $0.answers.sweep(now: now) }
        guard self.kept.used == 0 else { continue }
        self.isSweeping.store(false, ordering: .sequentiallyConsistent)
        // Something that was kept in between has found the sweep under way.
        if self.kept.used == 0 || self.isSweeping.exchange(true, ordering: .sequentiallyConsistent) { return }
      }
    }
  }
}

extension FlightTable {
  /// Ends a flight for which one caller waits, and nobody else; nil when there are others, or none.
  mutating func endForOne(_ flight: Flight) -> Waiter? {
    guard waiting(for: flight) == 1 else { return nil }
    var seats = end(flight)
    return seats.removeFirst()
  }
}

extension AdapterResponse {
  /// A good envelope that holds everything that was asked for, and that no other cache has kept already.
  var isGood: Bool {
    guard status == 200, verdict == .ok, case .bytes(let body) = body, body.count <= Sharing.largestAnswer,
      TopLevel.firstByte(of: body) == UInt8(ascii: "{"),
      // One that was cut off inside, and sent with a length that fits.
      body.last(where: { ![0x20, 0x0a, 0x0d, 0x09].contains($0) }) == UInt8(ascii: "}")
    else { return false }
    return fields["Content-Encoding"] == nil && fields["Age"] == nil && !TopLevel.hasErrors(in: body)
  }

  /// Without the room that its buffers had to grow.
  fileprivate var trimmed: AdapterResponse {
    guard case .bytes(let bytes) = body, bytes.capacity - bytes.count > bytes.count / 4 + 256 else { return self }
    var copy = self
    copy.body = .bytes(bytes.withUnsafeBufferPointer { Array($0) })
    return copy
  }
}
