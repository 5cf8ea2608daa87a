import AdapterAPI
import Synchronization

/// Makes one upstream call for the codes that different requests ask for within a few milliseconds; one for each adapter instance.
///
/// The first request opens a window, which closes after the route's time, or when its call has as many codes as a call may have. The
/// call's task belongs to no request, so a caller that leaves ends nothing for the rest. A request that was alone in its window makes
/// its own call with its own body. `BatchPlan` decides what is called.
final class BatchMerger: Sendable {
  /// One call to the adapter, on the loop of the request that brought it.
  ///
  /// - Parameter isRenewal: every request that the call is for has an older response that can be used instead.
  typealias UpstreamCall =
    @Sendable (_ request: AdapterRequest, _ deadline: Instant, _ isRenewal: Bool) async -> Sharing.CallResult

  private typealias Wait = LoopBound<LoopWait<BatchPlan.Share>>

  /// Only requests that differ in nothing but their codes share a call.
  private struct Key: Hashable {
    let policy: Configuration.Batch
    /// A read that begins after a write must not get what was read before it.
    let epoch: UInt64
    let fields: ArraySlice<UInt8>
  }

  private struct Window {
    let number: UInt64
    let first: AdapterRequest
    var merged = MergedCodes()
    /// For each request, the indices of its codes.
    var requests: [[Int]] = []
    var waits: [Wait] = []
    /// The bytes of the requests' bodies. They count until the window's calls are over, even when the callers have left.
    var size = 0
    var isRenewal = true

    /// Adds a request; false where its codes do not fit.
    mutating func add(_ list: CodeList, _ wait: Wait, isRenewal: Bool, max: Int) -> Bool {
      guard let indices = merged.add(list, max: max) else { return false }
      requests.append(indices)
      waits.append(wait)
      size += list.size
      if !isRenewal { self.isRenewal = false }
      return true
    }
  }

  private struct State {
    var open: [Key: Window] = [:]
    var opened: UInt64 = 0
  }

  private let merging: PointMerging
  /// The time for all calls of one window, in nanoseconds.
  private let timeout: Int64
  private let metrics: AdapterMetrics
  /// Counts the bodies of the windows, and the parts of responses that are still arriving.
  private let memory: MemoryBudget
  private let log: any AdapterLog
  private let state = Mutex(State())
  /// The adapter's responses have another form than it declares. Until a reload.
  private let isOff = Atomic<Bool>(false)
  /// The upstream gives points an order of its own, so parts of a response keep it. Until a reload.
  private let hasOwnOrder = Atomic<Bool>(false)

  init(
    _ merging: PointMerging, timeout: Int64, metrics: AdapterMetrics, memory: MemoryBudget, log: any AdapterLog
  ) {
    self.merging = merging
    self.timeout = timeout
    self.metrics = metrics
    self.memory = memory
    self.log = log
  }

  /// Returns the result of a request for values.
  ///
  /// - Parameters:
  ///   - epoch: the adapter's write epoch when the request came in.
  ///   - deadline: the end of the request's own wait.
  ///   - isRenewal: there is an older response that can be used instead.
  func result(
    of request: AdapterRequest, _ policy: Configuration.Batch, epoch: UInt64, deadline: Instant,
    isRenewal: Bool = false, call: @escaping UpstreamCall
  ) async -> Sharing.CallResult {
    guard !isOff.load(ordering: .relaxed), let loop = EventLoop.current,
      let list = CodeList(request.body, member: merging.codes, max: policy.max)
    else { return await call(request, deadline, isRenewal) }
    let wait = LoopWait<BatchPlan.Share>(loop: loop)
    let key = Key(policy: policy, epoch: epoch, fields: request.identifyingFields)
    memory.add(list.size)
    let entry = enter(key, list, request, LoopBound(wait, on: loop), isRenewal: isRenewal)
    for window in entry.full {
      Task.immediate(executorPreference: loop) { await self.run(window, on: loop, call) }
    }
    if let number = entry.opened {
      let end = loop.now + policy.window
      Task.immediate(executorPreference: loop) {
        _ = await LoopWait<Never>(loop: loop).wait(until: end)
        if let window = self.close(key, number) { await self.run(window, on: loop, call) }
      }
    }
    switch await wait.wait(until: deadline) {
    case .value(.whole(let result)): return result
    case .value(.part(let splitter, var response)):
      response.body = .bytes(splitter.body(for: list.codes))
      return .success(response)
    case .value(.ownCall): return await call(request, deadline, isRenewal)
    case .timedOut: return .failure(.upstreamTimeout("the merged call took too long"))
    case .cancelled: return .failure(.cancelled("left before the response of the merged call"))
    }
  }

  // MARK: windows

  /// Adds a request to the open window of its key, or to a new one.
  ///
  /// - Returns: the windows that this has closed; the number of the window that it has opened.
  private func enter(
    _ key: Key, _ list: CodeList, _ request: AdapterRequest, _ wait: Wait, isRenewal: Bool
  ) -> (full: [Window], opened: UInt64?) {
    state.withLock { state in
      var full: [Window] = []
      var opened: UInt64?
      if state.open[key]?.add(list, wait, isRenewal: isRenewal, max: key.policy.max) != true {
        if let window = state.open.removeValue(forKey: key) { full.append(window) }
        state.opened += 1
        opened = state.opened
        var window = Window(number: state.opened, first: request)
        _ = window.add(list, wait, isRenewal: isRenewal, max: key.policy.max)
        state.open[key] = window
      }
      if let count = state.open[key]?.merged.codes.count, count >= key.policy.max {
        if let window = state.open.removeValue(forKey: key) { full.append(window) }
        opened = nil
      }
      return (full, opened)
    }
  }

  /// Closes a window whose time is over; nil when it was full before.
  private func close(_ key: Key, _ number: UInt64) -> Window? {
    state.withLock { state in
      state.open[key]?.number == number ? state.open.removeValue(forKey: key) : nil
    }
  }

  // MARK: the calls of a window

  private func run(_ window: Window, on loop: EventLoop, _ call: UpstreamCall) async {
    defer { memory.add(-window.size) }
    var plan = BatchPlan(
      window.merged.codes, requests: window.requests, merging, hasOwnOrder: hasOwnOrder.load(ordering: .relaxed))
    let deadline = loop.now.advanced(byNanoseconds: timeout)
    var served = 0
    while let codes = plan.nextCall() {
      resume(window, plan.takeShares(), &served)
      let request = window.first.withBody(MergedCodes.body(of: codes, member: merging.codes))
      plan.callEnded(await outcome(of: await call(request, deadline, window.isRenewal)))
      if let form = plan.unknownForm { switchOff(form) }
      if plan.hasOwnOrder { hasOwnOrder.store(true, ordering: .relaxed) }
      resume(window, plan.takeShares(), &served)
    }
    resume(window, plan.takeShares(), &served)
  }

  private func outcome(of result: Sharing.CallResult) async -> BatchPlan.Outcome {
    var response: AdapterResponse
    switch result {
    case .failure(let error): return error.mayBeCausedByCode ? .rejected(result) : .failed(result)
    case .success(let success): response = success
    }
    let body: [UInt8]
    do throws(AdapterError) {
      guard let whole = try await response.body.gathered(upTo: Sharing.largestResponse, memory) else {
        return .unsplittable
      }
      body = whole
    } catch {
      return .failed(.failure(GatewayError(error)))
    }
    response.body = .bytes(body)
    switch response.status {
    case 200..<300 where response.verdict == .ok:
      return response.fields["Content-Encoding"] == nil ? .good(response, body) : .unsplittable
    // Too many requests (RFC 6585 §4), or a server that is unavailable (RFC 9110 §15.6): no code is the reason.
    case 429, 502, 503, 504: return .failed(.success(response))
    default: return .rejected(.success(response))
    }
  }

  private func switchOff(_ form: String) {
    guard !isOff.exchange(true, ordering: .relaxed) else { return }
    log.log(
      .warning,
      "requests are no longer merged: the upstream's response has a form that the adapter does not know",
      [("detail", "the response \(form); remove 'batch' from the routes of this adapter, or reload to try again")])
  }

  /// Resumes the requests that have their share, with one message for each loop. Counts the requests that needed no call: all that
  /// were served but one.
  private func resume(_ window: Window, _ shares: [(request: Int, share: BatchPlan.Share)], _ served: inout Int) {
    let before = served
    var loops: [(loop: EventLoop, ends: [(Wait, BatchPlan.Share)])] = []
    for (request, share) in shares {
      if case .ownCall = share {} else { served += 1 }
      let wait = window.waits[request]
      if let index = loops.firstIndex(where: { $0.loop === wait.loop }) {
        loops[index].ends.append((wait, share))
      } else {
        loops.append((wait.loop, [(wait, share)]))
      }
    }
    metrics.recordCoalesced(.merged, requests: max(served - 1, 0) - max(before - 1, 0))
    for (loop, ends) in loops {
      loop.execute { for (wait, share) in ends { wait.value.end(.value(share)) } }
    }
  }
}

extension GatewayError {
  /// A code in the request may be the reason: the adapter rejected the request, or the upstream's response is not one.
  fileprivate var mayBeCausedByCode: Bool { code == .badRequest || code == .upstreamMalformed }
}

extension Body {
  /// Returns the whole body; nil, without reading the rest, when it is longer than the limit or memory is short.
  fileprivate func gathered(upTo limit: Int, _ memory: MemoryBudget) async throws(AdapterError) -> [UInt8]? {
    guard case .stream(var bytes, let rest) = self else { return prefix.count <= limit ? prefix : nil }
    memory.add(bytes.count)
    defer { memory.add(-bytes.count) }
    while let piece = try await rest.next() {
      guard bytes.count + piece.count <= limit, !memory.isExceeded(by: piece.count) else {
        rest.cancel()
        return nil
      }
      memory.add(piece.count)
      bytes.append(contentsOf: piece)
    }
    return bytes
  }
}
