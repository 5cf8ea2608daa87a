import Foundation
import Synchronization
import TestSupport
import Testing

/// An upstream whose reads show a write only after a delay, as the real one's do.
private final class LateUpstream: Sendable {
  private struct Write {
    let value: Int
    let shows: Double
  }

  let upstream: ScriptedUpstream
  private let writes = Mutex<[Write]>([])

  /// - Parameters:
  ///   - lag: the seconds until reads show a write.
  ///   - delay: the seconds that each call takes; the value of a read is determined at its arrival.
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

  /// The value that a read returns at that time.
  func shown(at time: Double) -> Int { writes.withLock { $0.last { $0.shows <= time }?.value ?? 0 } }
}

@Suite("Reads after writes of set-points", .blocking)
struct SetPointTests {
  @Test(arguments: [["coalesce": "true"], ["cache": "30s"], ["coalesce": "true", "cache": "30ms", "stale": "30s"]])
  func `no read returns a value that the upstream no longer shows, and a writer reads its own value after settle`(
    keys: [String: String]
  ) throws {
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
      let response = try connection.send(Request.make()).receive()
      // A call of this moment may be shared, an earlier one may not. 12 ms allow for the gateway's 10 ms and the
      // network.
      let least = late.shown(at: began - 0.012)
      let value = response.json?["value"] as? Int ?? -1
      let source = response["X-Gateway-Source"] ?? "none"
      // A stale response may be old, but a write invalidates it as well.
      if value < least {
        troubles.withLock { $0.append("\(source) \(response["Age"] ?? ""): \(value), and the upstream shows \(least)") }
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
      let response = try writer.send(Request.make("POST", Request.set, body: body)).receive()
      #expect(response.status == 200)
      let settled = MonotonicTime.now + 0.5
      repeat { _ = try read(writer) } while MonotonicTime.now < settled
      #expect(try read(writer) == value)
      // Time for responses to be cached again.
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

  @Test func `a write through another adapter with the same upstream invalidates cached responses`() throws {
    var configuration = GatewayConfiguration()
    configuration.routes = ["values": ["cache": "1h", "settle": "0s"], "set": ["adapter": "other"]]
    configuration.adapters["other"] = configuration.adapters["main"]
    configuration.adapters["other"]?.settings["app_id"] = "{env: OTHER_APP_ID}"
    let lab = try Lab(configuration, environment: ["OTHER_APP_ID": "another-account-of-it"])
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    // That account gets no token; the attempt is enough.
    #expect(try lab.call(Request.make("POST", Request.set, body: Request.setBody)).status == 503)
    #expect(try lab.call()["X-Gateway-Source"] == "live")
  }

  @Test func `a write that fails or whose client has left invalidates cached responses too`() throws {
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
    #expect(try lab.call()["X-Gateway-Source"] == "live", "during a write no response is cached")
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    gate.open()
    try eventually("the write to have ended") { try lab.metric("gateway_upstream_inflight", ["adapter": "main"]) == 0 }
    try expectRenewed("a write whose caller has left")
  }
}
