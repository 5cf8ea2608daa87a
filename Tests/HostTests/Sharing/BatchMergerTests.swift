import AdapterAPI
import Synchronization
import TestSupport
import Testing

@testable import Host

/// A merger and its upstream in memory.
private final class MergerRig: Sendable {
  let merger: BatchMerger
  let metrics = AdapterMetrics(adapter: "main")
  let log = CollectedLog()
  let memory = MemoryBudget(limit: 1 << 28)
  let gate: Gate?
  private let model = Mutex(ModelUpstream())
  private let seen = Collected<AdapterRequest>()
  /// `isRenewal` of each call.
  let renewals = Collected<Bool>()

  /// - Parameter gate: the upstream responds when it is open.
  init(gate: Gate? = nil) {
    self.gate = gate
    merger = BatchMerger(
      ModelUpstream.merging, timeout: 30_000_000_000, metrics: metrics, memory: memory, log: log)
  }

  var calls: [AdapterRequest] { seen.all }
  var bodies: [String] { calls.map { String(decoding: $0.body, as: UTF8.self) } }

  func change(_ change: (inout ModelUpstream) -> Void) { model.withLock { change(&$0) } }

  /// Sends a request on that loop.
  func ask(
    _ codes: [String], on loop: EventLoop, body: [UInt8]? = nil, fields: String = "", traceFields: String = "",
    epoch: UInt64 = 0,
    window: Duration = .milliseconds(20), max: Int = 200, deadline: Instant = .distantFuture, isRenewal: Bool = false
  ) -> Task<Result<String, GatewayError>, Never> {
    let request = AdapterRequest(
      operation: .values, fields: Fields(checkedBlock: Array(fields.utf8)),
      traceFields: Fields(checkedBlock: Array(traceFields.utf8)), body: body ?? ModelUpstream.body(codes))
    return task(on: loop) {
      let result = await self.merger.result(
        of: request, Configuration.Batch(window: window, max: max), epoch: epoch, deadline: deadline,
        isRenewal: isRenewal
      ) { request, _, isRenewal in
        self.renewals.add(isRenewal)
        return await self.upstream(request, on: loop)
      }
      return result.map { String(decoding: $0.body.prefix, as: UTF8.self) }
    }
  }

  private func upstream(_ request: AdapterRequest, on loop: EventLoop) async -> Sharing.CallResult {
    loop.assertOnLoop()
    seen.add(request)
    await gate?.pass(on: loop)
    guard let codes = try? JSONValue(parsing: request.body)["codes"]?.array?.compactMap(\.string) else {
      return .success(AdapterResponse(json: Array("{}".utf8)))
    }
    let (text, isGood) = model.withLock { $0.answer(codes) }
    return .success(AdapterResponse(json: text, verdict: isGood ? .ok : .businessError(code: 500)))
  }

  func unmerged(_ codes: [String]) -> String {
    String(decoding: model.withLock { $0.unmerged(codes).text }, as: UTF8.self)
  }
}

private final class CollectedLog: AdapterLog {
  let lines = Collected<String>()
  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
    lines.add("\(level) \(message): \(fields.map(\.value).joined(separator: " "))")
  }
}

/// The response's body, or the error's code.
private func text(of task: Task<Result<String, GatewayError>, Never>) async -> String {
  switch await task.value {
  case .success(let text): text
  case .failure(let error): "\(error.code.rawValue)"
  }
}

@Suite(.blocking, .loops(2)) struct BatchMergerTests {
  private let loops = RunningLoops.group.loops
  private let rig = MergerRig()
  private static let long = Duration.seconds(60)

  /// Starts tasks in one turn of a loop, so that no window closes between them.
  private func inOneTurn<T: Sendable>(_ start: @escaping @Sendable (EventLoop) -> T) async -> T {
    await onLoop(loops[0]) { [loop = loops[0]] in start(loop) }
  }

  @Test func `requests on two loops within a window become one call, and each gets its own elements`() async {
    let lists = (0..<20).map { ["C_\($0)", "shared", "D_\($0)"] }
    // The window closes when the last of them has come in.
    let tasks = lists.enumerated().map { rig.ask($1, on: loops[$0 % 2], window: Self.long, max: 41) }
    for (list, task) in zip(lists, tasks) { #expect(await text(of: task) == rig.unmerged(list)) }
    #expect(rig.calls.count == 1)
    #expect(rig.metrics.coalescedCount(.merged) == 19)
  }

  @Test(arguments: [false, true])
  func `each request keeps the order of its own codes, or the upstream's own, as its own call would give`(
    upstreamSorts: Bool
  ) async {
    rig.change { $0.sorts = upstreamSorts }
    let lists = [["b", "a"], ["a", "b"], ["c", "b", "a"], ["a", "c"], ["b", "a"]]
    let tasks = await inOneTurn { [rig] loop in lists.map { rig.ask($0, on: loop) } }
    for (list, task) in zip(lists, tasks) { #expect(await text(of: task) == rig.unmerged(list)) }
    #expect(rig.calls.count == 1)
  }

  @Test func `a request that is alone in its window is sent with its own body`() async {
    let body = " { \"codes\" : [ \"a\" ] } "
    let answer = await text(of: rig.ask([], on: loops[0], body: Array(body.utf8)))
    #expect(answer == rig.unmerged(["a"]))
    #expect(rig.bodies == [body])
    #expect(rig.metrics.coalescedCount(.merged) == 0)
  }

  @Test func `a request with a body of another form does not wait for a window`() async {
    let body = #"{"codes":["a"],"more":1}"#
    _ = await rig.ask([], on: loops[0], body: Array(body.utf8), window: Self.long).value
    #expect(rig.bodies == [body])
  }

  @Test func `a full window closes at once, and no call has more codes than the maximum`() async {
    let lists = (0..<9).map { caller in (0..<4).map { "C_\(caller)_\($0)" } }
    // Twelve codes a call: three requests each, and none waits for the minute to pass.
    let tasks = lists.enumerated().map { rig.ask($1, on: loops[$0 % 2], window: Self.long, max: 12) }
    for (list, task) in zip(lists, tasks) { #expect(await text(of: task) == rig.unmerged(list)) }
    #expect(rig.calls.count == 3)
  }

  @Test func `a list that does not fit closes the window and opens the next`() async {
    let lists = [["a", "b", "c"], ["d", "e"], ["e", "f", "g", "h"]]
    let tasks = await inOneTurn { loop in lists.map { rig.ask($0, on: loop, max: 4) } }
    for (list, task) in zip(lists, tasks) { #expect(await text(of: task) == rig.unmerged(list)) }
    #expect(Set(rig.bodies) == Set(lists.map { String(decoding: ModelUpstream.body($0), as: UTF8.self) }))
  }

  @Test func `requests with another property, Accept or epoch have another window`() async {
    let tasks = await inOneTurn { loop in
      [
        rig.ask(["a"], on: loop, fields: "prop: x\r\n", traceFields: "X-Request-Id: 1\r\n"),
        rig.ask(["b"], on: loop, fields: "prop: x\r\n", traceFields: "traceparent: 2\r\nX-Request-Id: 2\r\n"),
        rig.ask(["a"], on: loop, fields: "prop: y\r\n"), rig.ask(["a"], on: loop, fields: "Accept: x\r\n"),
        rig.ask(["a"], on: loop, fields: "prop: x\r\n", epoch: 1),
      ]
    }
    for task in tasks { _ = await text(of: task) }
    #expect(rig.calls.count == 4)
    #expect(rig.calls.first { $0.allFields["X-Request-Id"] != nil }?.allFields["X-Request-Id"] == "1")
  }

  @Test func `a request that is cancelled or out of time ends nothing for the rest`() async {
    let gate = Gate()
    let rig = MergerRig(gate: gate)
    let first = rig.ask(["a"], on: loops[0], window: Self.long, max: 3)
    let short = rig.ask(["b"], on: loops[0], window: Self.long, max: 3, deadline: inMilliseconds(60))
    let other = rig.ask(["c"], on: loops[1], window: Self.long, max: 3)
    #expect(await eventually { gate.arrived == 1 })
    first.cancel()
    guard case .failure = await first.value, case .failure(let error) = await short.value else {
      Issue.record("a response before the upstream's")
      return
    }
    #expect(error.status == 504)
    gate.open()
    #expect(await text(of: other) == rig.unmerged(["c"]))
    #expect(rig.calls.count == 1)
  }

  @Test func `bodies count in the server's memory until their call is over, also after their callers left`() async {
    let gate = Gate()
    let rig = MergerRig(gate: gate)
    let code = String(repeating: "x", count: 100_000)
    let callers = (0..<2).map { number in
      rig.ask(["\(number)" + code], on: loops[number], window: Self.long, max: 2)
    }
    #expect(await eventually { gate.arrived == 1 })
    for caller in callers { caller.cancel() }
    for caller in callers { #expect(await text(of: caller) == "overloaded") }
    #expect((200_000..<201_000).contains(rig.memory.used))
    gate.open()
    #expect(await eventually { rig.memory.used == 0 })
  }

  @Test(arguments: [([true, true], true), ([true, false], false), ([false, true], false)])
  func `a call is a renewal only if each of its requests is`(callers: [Bool], isRenewal: Bool) async {
    let tasks = await inOneTurn { loop in
      callers.enumerated().map { rig.ask(["C_\($0)"], on: loop, isRenewal: $1) }
    }
    for task in tasks { _ = await text(of: task) }
    #expect(rig.renewals.all == [isRenewal])
  }

  @Test func `only the request for a rejected code sees the rejection`() async {
    rig.change { $0.rejected = ["C_5"] }
    let lists = (0..<16).map { ["C_\($0)"] }
    let tasks = lists.enumerated().map { rig.ask($1, on: loops[$0 % 2], window: Self.long, max: 16) }
    for (list, task) in zip(lists, tasks) { #expect(await text(of: task) == rig.unmerged(list)) }
    #expect(rig.calls.count <= 10)
  }

  @Test func `an unknown member switches merging off, and the log says so once`() async {
    rig.change { $0.unknown = #""total":2"# }
    for turn in 0..<3 {
      let tasks = await inOneTurn { loop in [rig.ask(["a"], on: loop), rig.ask(["b"], on: loop)] }
      for (code, task) in zip(["a", "b"], tasks) { #expect(await text(of: task) == rig.unmerged([code])) }
      #expect(rig.calls.count == 3 + 2 * turn)
    }
    #expect(rig.log.lines.count == 1)
    #expect(rig.log.lines.all.first?.contains("'total'") == true)
  }

  @Test func `three hundred requests with two hundred codes are one call, soon done`() async {
    let lists = (0..<300).map { caller in (0..<199).map { "C_\(($0 + caller) % 200)" } }
    let tasks = lists.enumerated().map { rig.ask($1, on: loops[$0 % 2], window: Self.long, max: 201) }
    // In the second turn from now, the tasks above have come in.
    for loop in loops + loops { await onLoop(loop) {} }
    let last = rig.ask(["C_last"], on: loops[0], window: Self.long, max: 201)
    for task in tasks + [last] { #expect(await text(of: task).hasPrefix("{")) }
    #expect(rig.calls.count == 1)
  }
}
