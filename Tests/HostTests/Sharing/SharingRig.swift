import AdapterAPI
import Synchronization
import TestSupport

@testable import Host

/// Requests that share calls, on real loops, without a server.
final class SharingRig: Sendable {
  let group: EventLoopGroup
  let memory: MemoryBudget
  let sharing: Sharing
  let writes = WriteEpoch()
  /// One for each loop.
  private let waits: [LoopBound<Sharing.Waits>]
  /// The number of calls that were begun.
  let calls = Atomic<Int>(0)
  /// Every call waits here.
  let gate = Gate()

  /// - Parameter group: the running loops; nil for those of the suite's trait `.loops`.
  init(_ group: EventLoopGroup? = nil, memory limit: Int = 64 << 20) {
    let group = group ?? RunningLoops.group
    self.group = group
    memory = MemoryBudget(limit: limit)
    waits = group.loops.map { LoopBound(Sharing.Waits(loop: $0), on: $0) }
    sharing = Sharing(memory: memory, home: group.loops[0])
  }

  enum Outcome: Sendable, Equatable {
    case response(String)
    case streamed(String)
    case cached(String, isStale: Bool)
    case failed(String)
    case notShared

    static let timedOut = Outcome.failed("upstream_timeout")
    static let cancelled = Outcome.failed("overloaded")
  }

  typealias Response = @Sendable () -> Sharing.CallResult

  var callCount: Int { calls.load(ordering: .sequentiallyConsistent) }

  /// Sends a request on that loop, as the pipeline does.
  func ask(
    _ body: String = "{}", on loop: Int = 0, by policy: SharingPolicy = Shared.policy(),
    until deadline: Instant = .distantFuture, leads: Bool = false, mayRenew: Bool = true,
    response: @escaping Response = { .success(Shared.response()) }
  ) -> Task<Outcome, Never> {
    let waits = waits[loop % group.loops.count]
    let loop = waits.loop
    return task(on: loop) { [self] in
      let found = sharing.find(Shared.key(body), policy, writes, waits.value, leads: leads, mayRenew: { mayRenew })
      switch found {
      case .cached(let cached, let refresh):
        if let refresh { start(refresh, on: loop, response) }
        return .cached(cached.response.text, isStale: cached.cached?.isStale ?? false)
      case .inFlight(let own) where own.isLeader:
        let result = await result(on: loop, response)
        return await outcome(await sharing.finish(own.call, result, writes, on: loop))
      case .inFlight(let own):
        if own.begins { start(own.call, on: loop, response) }
        return await outcome(await sharing.wait(own, until: deadline, waits.value))
      }
    }
  }

  private func outcome(_ outcome: Sharing.Outcome?) async -> Outcome {
    switch outcome {
    case .response(let shared):
      shared.response.body.isWhole ? .response(shared.response.text) : await read(shared.response)
    case .failed(let error): .failed(error.code.rawValue)
    case .notShared: .notShared
    case nil: .cancelled
    }
  }

  private func start(_ call: InFlightCall, on loop: EventLoop, _ response: @escaping Response) {
    sharing.start(call, writes, on: loop) { await self.result(on: loop, response) }
  }

  private func result(on loop: EventLoop, _ response: Response) async -> Sharing.CallResult {
    calls.add(1, ordering: .sequentiallyConsistent)
    guard await gate.pass(on: loop) else { return .failure(GatewayError(.overloaded, "cancelled")) }
    return response()
  }

  private func read(_ response: AdapterResponse) async -> Outcome {
    guard case .stream(var bytes, let rest) = response.body else { return .response(response.text) }
    do {
      while let piece = try await rest.next() { bytes += piece }
      return .streamed("\(bytes.count)")
    } catch {
      return .failed("\(error)")
    }
  }

  /// Takes the waits off the loops, which hold them.
  deinit { for waits in waits { waits.loop.post { waits.value.removeAll() } } }

  /// Returns when so many requests wait for the call.
  func waits(_ count: Int, for body: String = "{}") async -> Bool {
    await eventually {
      sharing.withStripe(of: Shared.key(body)) { $0.calls.waiterCount(for: Shared.key(body)) == count }
    }
  }

  func write(_ body: () async -> Void = {}) async {
    writes.writeBegins()
    await body()
    writes.writeEnds()
  }
}

/// A body that arrives piece by piece.
final class PieceStream: BodyStream {
  private let pieces: Mutex<[Result<[UInt8], AdapterError>]>
  private let isLengthKnown: Bool
  let isCancelled = Atomic<Bool>(false)

  init(_ pieces: [Result<[UInt8], AdapterError>], isLengthKnown: Bool = false) {
    self.pieces = Mutex(pieces)
    self.isLengthKnown = isLengthKnown
  }

  var remaining: Int? {
    isLengthKnown ? pieces.withLock { $0.reduce(0) { $0 + ((try? $1.get().count) ?? 0) } } : nil
  }

  convenience init(count: Int, isLengthKnown: Bool = false) {
    self.init((0..<count).map { _ in .success([UInt8](repeating: 120, count: 1 << 20)) }, isLengthKnown: isLengthKnown)
  }

  func next() async throws(AdapterError) -> [UInt8]? {
    let piece = pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    return try piece?.get()
  }

  func cancel() { isCancelled.store(true, ordering: .relaxed) }

  /// A response that begins with `{"code":200,`.
  func response(prefix: String = #"{"code":200,"#) -> AdapterResponse {
    AdapterResponse(status: 200, fields: Fields(), body: .stream(prefix: Array(prefix.utf8), rest: self))
  }
}

extension InFlightCalls {
  /// The number of requests that wait for the newest call of a key.
  func waiterCount(for key: ReadKey) -> Int { call(for: key).map { waiterCount(of: $0) } ?? 0 }
}
