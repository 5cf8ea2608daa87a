import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Reads after writes of set-points", .blocking)
struct SetPointTests {
  @Test(arguments: [["coalesce": "true"], ["cache": "30s"], ["coalesce": "true", "cache": "30ms", "stale": "30s"]])
  func `no read returns a value that the upstream no longer shows, and a writer reads its own value after settle`(
    keys: [String: String]
  ) throws {
    let work = try Workload(delay: 0.04, lag: 0.25) {
      $0.routes = ["values": keys.merging(["settle": "500ms"]) { $1 }]
    }
    let sources = Mutex<[String: Int]>([:])
    let isOver = Atomic(false)

    @Sendable func read(_ connection: RawConnection) throws -> Int {
      let began = MonotonicTime.now
      let response = try connection.send(work.request(.values(["P"]))).receive()
      // A call of this moment may be shared, an earlier one may not. 12 ms allow for the gateway's 10 ms and the
      // network.
      let least = work.source.shown("P", at: began - 0.012)
      let value = response.values.first ?? -1
      // A stale response may be old, but a write invalidates it as well.
      if value < least { work.note("\(response.source): \(value), and the upstream shows \(least)") }
      sources.withLock { $0[response["X-Gateway-Source"] ?? "none", default: 0] += 1 }
      return value
    }

    work.run(callers: 5) { number in
      let connection = try work.lab.connect()
      guard number == 0 else {
        while !isOver.load(ordering: .acquiring) { _ = try read(connection) }
        return
      }
      defer { isOver.store(true, ordering: .releasing) }
      func expect(_ value: Int) throws {
        let found = try read(connection)
        if found != value { work.note("the writer of \(value) reads \(found)") }
      }
      for step in 1...5 {
        // Larger than the value before the first write.
        let value = Wire.value(of: "P") + step
        let response = try connection.send(work.request(.set("P", value))).receive()
        if response.status != 200 { work.note("a write: \(response.status)") }
        let settled = MonotonicTime.now + 0.5
        repeat { _ = try read(connection) } while MonotonicTime.now < settled
        try expect(value)
        // Time for responses to be cached again.
        let next = MonotonicTime.now + Double(step) * 0.07
        repeat { try expect(value) } while MonotonicTime.now < next
      }
    }
    try work.expectClean()
    let seen = sources.withLock { $0 }
    if keys["cache"] != nil { #expect(seen["cache"] ?? 0 > 0, "\(seen)") }
  }

  @Test func `a write through another adapter with the same upstream invalidates cached responses`() throws {
    let lab = try Lab(environment: ["OTHER_APP_ID": "another-account-of-it"]) {
      $0.routes = ["values": ["cache": "1h", "settle": "0s"], "set": ["adapter": "other"]]
      $0.adapters["other"] = $0.adapters["main"]
      $0.adapters["other"]?.settings["app_id"] = "{env: OTHER_APP_ID}"
    }
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    // That account gets no token; the attempt is enough.
    #expect(try lab.call(Request.make("POST", Request.set, body: Request.setBody)).status == 503)
    #expect(try lab.call()["X-Gateway-Source"] == "live")
  }

  @Test func `a write that fails or whose client has left invalidates cached responses too`() throws {
    let lab = try Lab { $0.routes = ["values": ["cache": "1h", "settle": "0s"]] }
    func expectRenewed(_ comment: Comment) throws {
      #expect(try lab.call()["X-Gateway-Source"] == "live", comment)
      #expect(try lab.call()["X-Gateway-Source"] == "cache", comment)
    }
    try expectRenewed("at first")
    let write = Request.make("POST", Request.set, body: Request.setBody)
    for (step, status) in [(UpstreamStep.close, 502), (.envelope(500), 200)] {
      lab.upstream.script(step)
      #expect(try lab.call(write).status == status)
      try expectRenewed("a write with status \(status) that failed")
    }

    let gate = Gate()
    let leaver = try lab.begin(.held(by: gate), write)
    leaver.socket.reset()
    #expect(try lab.call()["X-Gateway-Source"] == "live", "during a write no response is cached")
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    gate.open()
    try eventually("the write to have ended") { try lab.metric("gateway_upstream_inflight", ["adapter": "main"]) == 0 }
    try expectRenewed("a write whose caller has left")
  }
}
