import Foundation
import Synchronization
import TestSupport
import Testing

/// An upstream that shows a write in reads only after a while, as the real one does.
private final class LateUpstream: Sendable {
  private struct Write {
    let value: Int
    let shows: Double
  }

  let upstream: ScriptedUpstream
  private let writes = Mutex<[Write]>([])

  /// - Parameters:
  ///   - lag: from a write's effect until it shows.
  ///   - delay: how long each call takes; what a read sees is decided when it comes.
  init(lag: Double, delay: Double) throws {
    upstream = try ScriptedUpstream()
    upstream.always(
      UpstreamStep { [weak self] upstream, peer, call in
        guard let self else { return false }
        if let refusal = upstream.refusal(of: call) { return peer.send(Wire.message(refusal)) }
        switch call.kind {
        case .set:
          let value = Int(String(decoding: call.body, as: UTF8.self).filter(\.isNumber)) ?? 0
          writes.withLock { $0.append(Write(value: value, shows: MonotonicTime.now + lag)) }
          return peer.wait(delay) && peer.send(Wire.message(#"{"code":200}"#))
        default:
          let body = #"{"code":200,"value":\#(shown(at: MonotonicTime.now))}"#
          return peer.wait(delay) && peer.send(Wire.message(body))
        }
      })
  }

  deinit { upstream.stop() }

  /// What a read sees at that time.
  func shown(at time: Double) -> Int { writes.withLock { $0.last { $0.shows <= time }?.value ?? 0 } }
}

@Suite("Set-points that are read back", .blocking)
struct SetPointTests {
  @Test(
    "nobody reads what the upstream no longer shows, and a writer sees his own value once it has settled",
    arguments: [["coalesce": "true"], ["cache": "30s"], ["coalesce": "true", "cache": "30ms", "stale": "30s"]])
  func readBack(keys: [String: String]) throws {
    let late = try LateUpstream(lag: 0.25, delay: 0.04)
    var configuration = GatewayConfiguration()
    configuration.routes = ["values": keys.merging(["settle": "500ms"]) { $1 }]
    let lab = try Lab(configuration, upstream: late.upstream)
    try lab.expectHealthy()
    let troubles = Mutex<[String]>([])
    let sources = Mutex<[String: Int]>([:])
    let isOver = Atomic(false)

    @Sendable func read(_ connection: RawConnection) throws -> Int {
      let began = MonotonicTime.now
      let answer = try connection.send(Request.make()).receive()
      // A call of this moment may be shared, one from before it not: but for the gateway's own moment, and the way here.
      let least = late.shown(at: began - 0.012)
      let value = answer.json?["value"] as? Int ?? -1
      let source = answer["X-Gateway-Source"] ?? "none"
      // A stale answer is as old as the route allows; a write makes that end as well.
      if value < least {
        troubles.withLock { $0.append("\(source) \(answer["Age"] ?? ""): \(value), and the upstream shows \(least)") }
      }
      sources.withLock { $0[source, default: 0] += 1 }
      return value
    }

    let group = DispatchGroup()
    for _ in 0..<4 {
      group.enter()
      Thread {
        defer { group.leave() }
        do {
          let connection = try lab.connect()
          while !isOver.load(ordering: .acquiring) { _ = try read(connection) }
        } catch {
          troubles.withLock { $0.append("\(error)") }
        }
      }.start()
    }
    let writer = try lab.connect()
    for value in 1...5 {
      let body = #"{"a":\#(value)}"#
      let answer = try writer.send(Request.make("POST", Request.set, body: body)).receive()
      #expect(answer.status == 200)
      let settled = MonotonicTime.now + 0.5
      repeat { _ = try read(writer) } while MonotonicTime.now < settled
      #expect(try read(writer) == value)
      // Time for answers to be kept again.
      let next = MonotonicTime.now + Double(value) * 0.07
      repeat { #expect(try read(writer) == value) } while MonotonicTime.now < next
    }
    isOver.store(true, ordering: .releasing)
    group.wait()
    let found = troubles.withLock { $0 }
    #expect(found.isEmpty, "\(found.count): \(found.prefix(5))")
    let seen = sources.withLock { $0 }
    if keys["cache"] != nil { #expect(seen["cache"] ?? 0 > 0, "\(seen)") }
  }

  @Test("a write through another adapter with the same upstream counts, whatever account it uses")
  func sameUpstream() throws {
    var configuration = GatewayConfiguration()
    configuration.routes = ["values": ["cache": "1h", "settle": "0s"], "set": ["adapter": "other"]]
    configuration.adapters["other"] = configuration.adapters["main"]
    configuration.adapters["other"]?.settings["app_id"] = "{env: OTHER_APP_ID}"
    let lab = try Lab(configuration, environment: ["OTHER_APP_ID": "another-account-of-it"])
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    // That account gets no token; that the write was tried is enough.
    #expect(try lab.call(Request.make("POST", Request.set, body: Request.setBody)).status == 503)
    #expect(try lab.call()["X-Gateway-Source"] == "live")
  }

  @Test("a write that fails, or whose caller has left, ends what was kept as well")
  func failing() throws {
    var configuration = GatewayConfiguration()
    configuration.routes = ["values": ["cache": "1h", "settle": "0s"]]
    let lab = try Lab(configuration)
    func expectRenewed(_ comment: Comment) throws {
      #expect(try lab.call()["X-Gateway-Source"] == "live", comment)
      #expect(try lab.call()["X-Gateway-Source"] == "cache", comment)
    }
    try expectRenewed("at first")
    let write = Request.make("POST", Request.set, body: Request.setBody)
    lab.upstream.script(.close)
    #expect(try lab.call(write).status == 502)
    try expectRenewed("a write that failed")
    lab.upstream.script(.envelope(500))
    #expect(try lab.call(write).status == 200)
    try expectRenewed("a write that was refused")

    let gate = Gate()
    lab.upstream.script(.held(by: gate))
    let calls = lab.upstream.dataCalls.count
    let leaver = try lab.connect().send(write)
    try eventually("the write") { lab.upstream.dataCalls.count > calls }
    leaver.socket.reset()
    #expect(try lab.call()["X-Gateway-Source"] == "live", "while it is under way nothing is kept")
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    gate.open()
    try eventually("the write to have ended") { try lab.metric("gateway_upstream_inflight", ["adapter": "main"]) == 0 }
    try expectRenewed("a write whose caller has left")
  }
}
