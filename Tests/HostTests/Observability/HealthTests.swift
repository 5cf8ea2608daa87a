import Foundation
import Testing

@testable import Host

@Suite struct HealthTests {
  /// The status and the body of the response.
  private func ready(_ health: Health) -> String {
    "\(health.readyz().status) " + String(decoding: health.readyz().body, as: UTF8.self)
  }

  @Test func `the state changes from starting to ready to draining and never back`() {
    let health = Health()
    #expect(ready(health) == #"503 {"status":"starting","reasons":[]}"#)
    health.start()
    #expect(ready(health) == #"200 {"status":"ready","reasons":[]}"#)
    health.drain()
    health.start()
    #expect(ready(health) == #"503 {"status":"draining","reasons":[]}"#)
  }

  @Test func `a reason makes the process degraded but ready, and a repeated reason keeps its time`() throws {
    let clock = TestWall()
    let health = Health(wall: clock.read)
    health.start()
    health.set("adapter:main", "no_token")
    clock.set(5000)
    health.set("adapter:main", "no_token")
    health.set("store", "unreachable")
    #expect(
      ready(health) == #"200 {"status":"degraded","reasons":["#
        + #"{"component":"adapter:main","code":"no_token","since":"1970-01-01T00:00:01.000Z"},"#
        + #"{"component":"store","code":"unreachable","since":"1970-01-01T00:00:05.000Z"}]}"#)
    health.clear("adapter:main", "other")
    #expect(health.current.reasons.count == 2)
    health.clear("adapter:main")
    health.clear("store", "unreachable")
    #expect(ready(health) == #"200 {"status":"ready","reasons":[]}"#)
  }

  @Test func `a reason of two reporters stays until both have removed it, with the time of the first`() {
    let clock = TestWall()
    let health = Health(wall: clock.read)
    health.start()
    let (old, new) = (health.reporter(of: "adapter:main"), health.reporter(of: "adapter:main"))
    old.set("no_token")
    clock.set(5000)
    new.set("no_token")
    let reason = Health.Reason(component: "adapter:main", code: "no_token", since: 1000)
    #expect(health.current.reasons == [reason])
    new.clear("no_token")
    #expect(health.current.reasons == [reason])
    old.clear("no_token")
    #expect(health.current.status == .ready)
  }

  @Test func `a reporter that has ended neither keeps nor adds nor removes a reason`() {
    let health = Health()
    let (old, new) = (health.reporter(of: "adapter:main"), health.reporter(of: "adapter:main"))
    old.set("no_token")
    new.set("upstream_unreachable")
    old.end()
    #expect(health.current.reasons.map(\.code) == ["upstream_unreachable"])
    old.set("no_token")
    old.clear("upstream_unreachable")
    #expect(health.current.reasons.map(\.code) == ["upstream_unreachable"])
  }

  @Test func `the name of a component cannot break the JSON`() throws {
    let health = Health()
    health.set("adapter:\"x\"\n", "down")
    #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(health.readyz().body)) }
  }
}

/// A wall clock that the test sets.
final class TestWall: Sendable {
  private let time = Gauge(1000)
  func set(_ milliseconds: Int) { time.set(milliseconds) }
  var read: @Sendable () -> Int64 { { Int64(self.time.value) } }
}
