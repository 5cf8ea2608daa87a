import AdapterAPI
import AdapterTestKit
import Testing

@testable import Host

@Suite struct UpstreamWatchTests {
  private let health = Health()
  private let metrics = AdapterMetrics(adapter: "main")
  private let log = CollectingLog()
  private let watch: UpstreamWatch

  init() {
    health.start()
    watch = UpstreamWatch(metrics: metrics, reporter: health.reporter(of: "adapter:main"), log: log)
    watch.begin()
  }

  private func respond(_ second: Int64) { watch.responded("http://up", at: Instant(nanoseconds: second)) }
  private func fail(_ second: Int64) { watch.failed("http://up", "refused", began: Instant(nanoseconds: second)) }

  private var isDown: Bool {
    let reasons = health.current.reasons.map { "\($0.component) \($0.code)" }
    #expect(reasons == (metrics.isUp ? [] : ["adapter:main upstream_unreachable"]))
    return !metrics.isUp
  }

  @Test func `the third call in a row without a response makes the upstream unreachable, with one log line`() {
    respond(1)
    fail(2)
    fail(3)
    #expect(!isDown)
    fail(4)
    #expect(isDown)
    for second in 5...50 { fail(Int64(second)) }
    #expect(isDown)
    #expect(log.lines == ["error the upstream can't be reached address=http://up detail=refused"])
  }

  @Test func `the first response makes the upstream reachable again, with one log line`() {
    respond(1)
    for second in 2...9 { fail(Int64(second)) }
    respond(10)
    respond(11)
    #expect(!isDown)
    #expect(log.lines.dropFirst() == ["info the upstream can be reached again address=http://up"])
    // Counted anew.
    fail(12)
    fail(13)
    #expect(!isDown)
    fail(14)
    #expect(isDown)
    #expect(log.lines.count == 3)
  }

  @Test func `a response between failures starts the count anew`() {
    for second in 1...30 { if second % 3 == 1 { respond(Int64(second)) } else { fail(Int64(second)) } }
    #expect(!isDown)
    #expect(log.lines.isEmpty)
  }

  @Test func `an upstream that has never responded is unreachable after its first call`() {
    fail(1)
    #expect(isDown)
    respond(2)
    #expect(!isDown)
  }

  @Test func `calls that began before the last response say nothing about the time after it`() {
    respond(100)
    for _ in 0..<50 { fail(99) }
    #expect(!isDown)
    for _ in 0..<3 { fail(100) }
    #expect(isDown)
  }

  @Test func `an instance that has ended leaves no reason and reports nothing`() {
    fail(1)
    watch.end()
    #expect(health.current.reasons.isEmpty)
    fail(2)
    respond(3)
    #expect(health.current.reasons.isEmpty)
    #expect(log.lines.count == 1)
    // The instance in its place.
    let next = UpstreamWatch(metrics: metrics, reporter: health.reporter(of: "adapter:main"), log: log)
    next.begin()
    #expect(!isDown)
  }

  @Test func `concurrent calls leave the state that fits the last of them`() async {
    for turn in 0..<200 {
      let start = Int64(turn) * 1000
      await withTaskGroup(of: Void.self) { group in
        for call in 0..<8 { group.addTask { call % 2 == 0 ? fail(start) : respond(start) } }
      }
      respond(start + 1)
      #expect(!isDown)
      for _ in 0..<3 { fail(start + 2) }
      #expect(isDown)
    }
  }
}
