import Foundation
import Synchronization
import TestSupport
import Testing

/// A gateway with a predictable upstream, callers on threads of their own, and the checks after they have ended.
final class Workload: Sendable {
  /// A request to the gateway, and the kind of upstream call for it.
  struct Question: Sendable {
    let path: String
    let body: String
    let kind: ScriptedWebTalk.Call.Kind

    static func values(_ codes: [String]) -> Question {
      let list = codes.map { #""\#($0)""# }.joined(separator: ",")
      return Question(path: Request.values, body: #"{"codes":[\#(list)]}"#, kind: .values)
    }

    static func history(_ size: Int) -> Question {
      let span = #""starttime":"2026-06-20 00:00:00","endtime":"2026-06-21 00:00:00""#
      let body = #"{"codes":["P"],\#(span),"interval":\#(size)}"#
      return Question(path: Request.history, body: body, kind: .history)
    }

    static func set(_ point: String, _ value: Int) -> Question {
      let body = #"{"aryPoints":[{"pointId":"\#(point)","value":\#(value)}]}"#
      return Question(path: Request.set, body: body, kind: .set)
    }
  }

  let source: PredictableUpstream
  let lab: Lab
  private let token = JWT.caller()
  private let troubles = Mutex<[String]>([])
  private let descriptorsBefore: [String]

  var upstream: ScriptedWebTalk { source.upstream }

  init(delay: Double = 0, lag: Double = 0, _ change: (inout GatewayConfiguration) -> Void = { _ in }) throws {
    var configuration = GatewayConfiguration.upstream([
      "max_in_flight": "64", "queue": "{size: 1024, wait: 15s}", "first_byte_timeout": "15s",
    ])
    // A client whose thread waits for a busy machine must not be treated as slow.
    configuration.listen["header_timeout"] = "15s"
    configuration.listen["body_timeout"] = "15s"
    configuration.listen["idle_timeout"] = "30s"
    configuration.log["level"] = "info"
    change(&configuration)
    source = try PredictableUpstream(delay: delay, lag: lag)
    let lab = try Lab(configuration, upstream: source.upstream)
    self.lab = lab
    try lab.expectHealthy()
    source.upstream.dropIdle()
    try lab.awaitConnections(0)
    descriptorsBefore = lab.gateway.descriptors
    source.upstream.forgetCalls()
  }

  deinit { source.upstream.stop() }

  func request(_ question: Question, fields: String = "") -> [UInt8] {
    Request.make("POST", question.path, body: question.body, token: token, fields: fields)
  }

  /// Returns the upstream's own response body.
  func expected(_ question: Question) -> [UInt8] { source.response(to: question.kind, Array(question.body.utf8)) }

  /// Runs that many callers concurrently to their end.
  func run(callers: Int, _ body: @escaping @Sendable (Int) throws -> Void) {
    let group = DispatchGroup()
    for number in 0..<callers {
      group.enter()
      Thread { [self] in
        do { try body(number) } catch { note("caller \(number): \(error)") }
        group.leave()
      }.start()
    }
    group.wait()
  }

  /// Records a failure, which `expectClean` reports.
  func note(_ trouble: String) { troubles.withLock { $0.append(trouble) } }

  /// Records a failure unless the response equals the upstream's.
  func compare(_ response: TestMessage, with question: Question) {
    let body = expected(question)
    if response.status == PredictableUpstream.status(of: body), response.body.isSame(as: body) { return }
    note(
      "\(question.path) \(question.body.prefix(120)): \(response.status), \(response.body.count) bytes instead of "
        + "\(body.count): \(response.text.prefix(200))")
  }

  /// Expects that no failure was recorded, no resource leaked, and the gateway still serves.
  func expectClean(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let troubles = troubles.withLock { $0 }
    #expect(troubles.isEmpty, "\(troubles.count): \(troubles.prefix(5))", sourceLocation: sourceLocation)
    #expect(!lab.gateway.hasEnded, "\(lab.gateway.log.suffix(800))", sourceLocation: sourceLocation)
    try eventually("no call in flight", within: 20) {
      try lab.metric("gateway_upstream_inflight", ["adapter": "main"]) == 0
    }
    try eventually("no connection open", within: 20) { try lab.metric("gateway_http_connections") == 0 }
    upstream.dropIdle()
    try eventually("the descriptors of before (\(descriptorsBefore)), not \(lab.gateway.descriptors)", within: 20) {
      lab.gateway.descriptors.count <= descriptorsBefore.count
    }
    try lab.expectHealthy(sourceLocation: sourceLocation)
  }

  /// The gateway's count of requests on that route with this status.
  func counted(_ path: String, status: Int? = nil) throws -> Int {
    let labels = ["route": path].merging(status.map { ["status": "\($0)"] } ?? [:]) { $1 }
    return Int(try lab.metric("gateway_http_requests_total", labels) ?? 0)
  }

  /// The gateway's count of requests without a call of their own.
  func shared(_ kinds: String...) throws -> Int {
    try kinds.reduce(0) { sum, kind in
      sum + Int(try lab.metric("gateway_coalesced_requests_total", ["adapter": "main", "kind": kind]) ?? 0)
    }
  }
}

extension GatewayProcess {
  /// The targets of the open descriptors, without pipes: the gateway keeps some for later long responses.
  var descriptors: [String] {
    let folder = "/proc/\(pid)/fd"
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
    }.filter { !$0.hasPrefix("pipe:") }.sorted()
  }
}

extension TestMessage {
  /// The values of the points in a response of the upstream.
  var values: [Int] { (json?["ResultPointObjArr"] as? [[String: Any]] ?? []).map { $0["value"] as? Int ?? -1 } }
}

extension [UInt8] {
  /// Compares with memcmp, which is fast in debug builds too.
  func isSame(as other: [UInt8]) -> Bool {
    count == other.count
      && withUnsafeBytes { own in
        other.withUnsafeBytes { other in
          guard let a = own.baseAddress, let b = other.baseAddress else { return true }
          return memcmp(a, b, own.count) == 0
        }
      }
  }
}
