import AdapterAPI
import Testing

@testable import Host

/// The observers that report the store up or down.
@Suite struct StoreWatchTests {
  @Test func `the store is up again when the last failing observer reports it up`() async {
    await withLoops { group in
      let (health, log, metrics) = (Health(), GatewayRig.quietLog(), Metrics())
      let watch = StoreWatch(
        Store(SQLiteDatabase.inMemory()), clock: LoopClock(home: group.loops[0]), executor: group.loops[0],
        health: health, metrics: metrics, log: log)
      watch.report(isUp: false)
      watch.report("a", isUp: false)
      watch.report("b", isUp: false)
      watch.report("b", isUp: false)
      for who in ["a", "b"] {
        #expect(health.current.reasons.map(\.code) == ["store_unavailable"])
        watch.report(who, isUp: true)
      }
      #expect(health.current.reasons.map(\.component) == ["store"])
      watch.report(isUp: true)
      #expect(health.current.reasons.isEmpty)
    }
  }
}
