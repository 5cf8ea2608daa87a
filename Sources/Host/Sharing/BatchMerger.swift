import AdapterAPI
import Synchronization

/// Makes one upstream call of the codes that different callers ask for within a few milliseconds, for one adapter instance.
///
/// The first caller opens a window; it closes after the policy's time, or when its call has as many codes as one may have. The
/// call is a task of nobody: a caller that leaves ends nothing for the others. Somebody who was alone in his window makes his
/// own call, with his own body. What comes of a call is decided by `BatchCourse`.
final class BatchMerger: Sendable {
  typealias Policy = Configuration.Batch

  /// One call to the adapter; made on the loop whose caller brought it.
  ///
  /// - Parameter isRenewal: Everybody it is for has an older answer that can be given instead.
  typealias UpstreamCall =
    @Sendable (_ request: AdapterRequest, _ deadline: Instant, _ isRenewal: Bool) async -> Sharing.CallResult

  /// Only requests that are alike in everything but their codes share a call.
  private struct Key: Hashable {
    let policy: Policy
    /// A read that begins after a write sees nothing that was asked for before it.
    let epoch: UInt64
    /// The caller's fields that may change an answer.
    let fields: ArraySlice<UInt8>
  }

  private struct Caller {
    /// The places of his codes.
    let list: [Int]
    let wait: LoopBound<LoopWait<BatchCourse.Share>>
  }

  private struct Window {
    let number: UInt64
    /// The first caller's.
    let first: AdapterRequest
    var union = CodeUnion()
    var callers: [Caller] = []
    /// The bytes of the callers' bodies. They count until the window's calls are over: a caller may have left long before.
    var size = 0
    var isRenewal = true

    /// False where the list does not fit.
    mutating func add(
      _ list: CodeList, _ wait: LoopBound<LoopWait<BatchCourse.Share>>, isRenewal: Bool, max: Int
    ) -> Bool {
      guard let places = union.add(list, max: max) else { return false }
      callers.append(Caller(list: places, wait: wait))
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
  /// Nanoseconds that all calls of one window may take.
  private let timeout: Int64
  private let metrics: AdapterMetrics
  /// What is held of an answer until it is whole counts here, and the bodies in windows.
  private let memory: MemoryBudget
  private let log: any AdapterLog
  private let state = Mutex(State())
  /// The adapter's answers turned out to have another form than it says; until a reload.
  private let isOff = Atomic<Bool>(false)

  init(
    _ merging: PointMerging, timeout: Int64, metrics: AdapterMetrics, memory: MemoryBudget, log: any AdapterLog
  ) {
    self.merging = merging
    self.timeout = timeout
    self.metrics = metrics
    self.memory = memory
    self.log = log
  }

  /// The answer to a request for values.
  ///
  /// - Parameters:
  ///   - epoch: the adapter's count of writes when the request came.
  ///   - deadline: when the caller's patience ends.
  ///   - isRenewal: there is an older answer that can be given instead.
  func answer(
    to request: AdapterRequest, _ policy: Policy, epoch: UInt64, deadline: Instant, isRenewal: Bool = false,
    call: @escaping UpstreamCall
  ) async -> Sharing.CallResult {
    guard !isOff.load(ordering: .relaxed), let loop = EventLoop.current,
      let list = CodeList(request.body, member: merging.codes, max: policy.max)
    else { return await call(request, deadline, isRenewal) }
    let wait = LoopWait<BatchCourse.Share>(loop: loop)
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
        if let window = self.take(key, number) { await self.run(window, on: loop, call) }
      }
    }
    switch await wait.wait(until: deadline) {
    case .value(.whole(let answer)): return answer
    case .value(.cut(let cut, var response)):
      response.body = .bytes(cut.answer(for: list.codes))
      return .success(response)
    case .value(.alone): return await call(request, deadline, isRenewal)
    case .timedOut:
      return .failure(.upstreamTimeout("the merged call took too long"))
    case .cancelled:
      return .failure(.cancelled("left before the response of the merged call"))
    }
  }

  // MARK: windows

  /// - Returns: windows that closed by this; the number of the one that was opened.
  private func enter(
    _ key: Key, _ list: CodeList, _ request: AdapterRequest, _ wait: LoopBound<LoopWait<BatchCourse.Share>>,
    isRenewal: Bool
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
      if let count = state.open[key]?.union.codes.count, count >= key.policy.max {
        if let window = state.open.removeValue(forKey: key) { full.append(window) }
        opened = nil
      }
      return (full, opened)
    }
  }

  /// Closes a window whose time is over; nil when it was full before.
  private func take(_ key: Key, _ number: UInt64) -> Window? {
    state.withLock { state in
      state.open[key]?.number == number ? state.open.removeValue(forKey: key) : nil
    }
  }

  // MARK: the call

  private func run(_ window: Window, on loop: EventLoop, _ call: UpstreamCall) async {
    defer { memory.add(-window.size) }
    let callers = window.callers
    var course = BatchCourse(window.union.codes, lists: callers.map(\.list), merging)
    let deadline = loop.now.advanced(byNanoseconds: timeout)
    var served = 0
    while let codes = course.next() {
      give(course.takeSettled(), to: callers, &served)
      let body = CodeUnion.body(of: codes, member: merging.codes)
      let request = window.first.withBody(body)
      let answer = await call(request, deadline, window.isRenewal)
      course.answered(await outcome(of: answer))
      if let form = course.unknownForm { switchOff(form) }
      give(course.takeSettled(), to: callers, &served)
    }
    give(course.takeSettled(), to: callers, &served)
  }

  private func outcome(of answer: Sharing.CallResult) async -> BatchCourse.Outcome {
    var response: AdapterResponse
    switch answer {
    case .failure(let error): return error.mayBeAPoints ? .refused(answer) : .failed(answer)
    case .success(let success): response = success
    }
    let body: [UInt8]
    do throws(AdapterError) {
      guard let whole = try await response.body.gathered(upTo: Sharing.largestAnswer, memory) else {
        return .uncuttable
      }
      body = whole
    } catch {
      return .failed(.failure(GatewayError(error)))
    }
    response.body = .bytes(body)
    switch response.status {
    case 200..<300 where response.verdict == .ok:
      return response.fields["Content-Encoding"] == nil ? .good(response, body) : .uncuttable
    // Too many requests (RFC 6585 §4), or a server that can't serve now (RFC 9110 §15.6): said of no point.
    case 429, 502, 503, 504: return .failed(.success(response))
    default: return .refused(.success(response))
    }
  }

  private func switchOff(_ form: String) {
    guard !isOff.exchange(true, ordering: .relaxed) else { return }
    log.log(
      .warning, "requests are no longer merged: the upstream's answer has a form that the adapter does not know",
      [("detail", "the answer \(form); remove 'batch' from the routes of this adapter, or reload to try again")])
  }

  /// Each on his own loop, with one message for each loop. Counted is who did without a call: all who were served but one.
  private func give(
    _ settled: [(caller: Int, share: BatchCourse.Share)], to callers: [Caller], _ served: inout Int
  ) {
    let before = served
    for case (_, .whole) in settled { served += 1 }
    for case (_, .cut) in settled { served += 1 }
    metrics.recordCoalesced(.merged, requests: max(served - 1, 0) - max(before - 1, 0))
    var loops: [(loop: EventLoop, ends: [(LoopBound<LoopWait<BatchCourse.Share>>, BatchCourse.Share)])] = []
    for (caller, share) in settled {
      let wait = callers[caller].wait
      if let place = loops.firstIndex(where: { $0.loop === wait.loop }) {
        loops[place].ends.append((wait, share))
      } else {
        loops.append((wait.loop, [(wait, share)]))
      }
    }
    for (loop, ends) in loops {
      loop.execute { for (wait, share) in ends { wait.value.end(.value(share)) } }
    }
  }
}

extension GatewayError {
  /// Something that was asked for may be the reason: the adapter refused the request, or the upstream answered with no answer.
  fileprivate var mayBeAPoints: Bool { code == .badRequest || code == .upstreamMalformed }
}

extension Body {
  /// All of it; nil, and the rest is not read, where it is longer or memory is short.
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
