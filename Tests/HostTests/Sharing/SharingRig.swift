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
  private let waits: [LoopBound<FlightWaits>]
  /// How many calls were begun.
  let calls = Atomic<Int>(0)
  /// Every call waits here.
  let gate = Gate()

  init(_ group: EventLoopGroup, memory limit: Int = 64 << 20) {
    self.group = group
    memory = MemoryBudget(limit: limit)
    waits = group.loops.map { LoopBound(FlightWaits(loop: $0), on: $0) }
    sharing = Sharing(memory: memory, home: group.loops[0])
  }

  enum Outcome: Sendable, Equatable {
    case answer(String)
    case streamed(String)
    case kept(String, isStale: Bool)
    case failed(String)
    case alone, timedOut, cancelled
  }

  var callCount: Int { calls.load(ordering: .sequentiallyConsistent) }

  /// A request on that loop, as the pipeline makes it.
  func ask(
    _ body: String = "{}", on loop: Int = 0, by policy: SharingPolicy = Shared.policy(),
    until deadline: Instant = .distantFuture, mayRenew: Bool = true,
    answer: @escaping @Sendable () -> Sharing.CallResult = { .success(Shared.answer()) }
  ) -> Task<Outcome, Never> {
    let waits = waits[loop % group.loops.count]
    let loop = waits.loop
    return task(on: loop) { [self] in
      switch sharing.look(Shared.key(body), policy, writes, waits.value, mayRenew: { mayRenew }) {
      case .kept(let read, let refresh):
        if let refresh { start(refresh, on: loop, answer) }
        return .kept(read.response.text, isStale: read.kept?.isStale ?? false)
      case .seat(let seat):
        if seat.begins { start(seat.flight, on: loop, answer) }
        switch await sharing.wait(seat, until: deadline, waits.value) {
        case .landed(.answer(let held)):
          let answer = held.response
          return answer.body.isWhole ? .answer(answer.text) : await read(answer)
        case .landed(.failed(let error)): return .failed(error.code.rawValue)
        case .landed(.alone): return .alone
        case .timedOut: return .timedOut
        case .cancelled: return .cancelled
        }
      }
    }
  }

  private func start(
    _ flight: Flight, on loop: EventLoop, _ answer: @escaping @Sendable () -> Sharing.CallResult
  ) {
    sharing.start(flight, writes, on: loop) { [self] in
      calls.add(1, ordering: .sequentiallyConsistent)
      guard await gate.pass(on: loop) else { return .failure(GatewayError(.overloaded, "cancelled")) }
      return answer()
    }
  }

  private func read(_ answer: AdapterResponse) async -> Outcome {
    guard case .stream(var bytes, let rest) = answer.body else { return .answer(answer.text) }
    do {
      while let piece = try await rest.next() { bytes += piece }
      return .streamed("\(bytes.count)")
    } catch {
      return .failed("\(error)")
    }
  }

  /// Takes the waits off the loops, which hold them.
  deinit { for waits in waits { waits.loop.post { waits.value.removeAll() } } }

  /// So many wait for an answer.
  func waits(_ count: Int, for body: String = "{}") async -> Bool {
    await eventually { sharing.withStripe(of: Shared.key(body)) { $0.flights.waiting(for: Shared.key(body)) == count } }
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

  /// An answer that begins with `{"code":200,`.
  func answer(prefix: String = #"{"code":200,"#) -> AdapterResponse {
    AdapterResponse(status: 200, fields: Fields(), body: .stream(prefix: Array(prefix.utf8), rest: self))
  }
}

extension FlightTable {
  /// How many wait for the flight that can be joined.
  func waiting(for key: ReadKey) -> Int { flight(for: key).map { waiting(for: $0) } ?? 0 }
}
