import Foundation
import Synchronization
import TestSupport

/// A `ScriptedWebTalk` whose responses depend on the request only, so that a workload can compute each of them.
///
/// A point's value is a number derived from its name, until a write changes it. A response has each value once, sorted
/// by code; the `interval` of a request for history is the size of its response.
final class PredictableUpstream: Sendable {
  private struct State {
    /// The writes of each point in their order, with the time from which reads show them.
    var written: [String: [(value: Int, shows: Double)]] = [:]
    var running = 0
    var mostAtOnce = 0

    func shown(_ code: String, at time: Double) -> Int {
      written[code]?.last { $0.shows <= time }?.value ?? Wire.value(of: code)
    }
  }

  let upstream: ScriptedWebTalk
  private let state = Mutex(State())
  private let lag: Double

  /// - Parameters:
  ///   - delay: the seconds that each data call takes.
  ///   - lag: the seconds until reads show a write, as the real upstream's do only later.
  init(delay: Double = 0, lag: Double = 0) throws {
    self.lag = lag
    upstream = try ScriptedWebTalk()
    upstream.always(
      UpstreamStep { [weak self] upstream, peer, call in
        guard let self else { return false }
        if let refusal = upstream.refusal(of: call) { return peer.send(Wire.message(refusal)) }
        state.withLock { state in
          state.running += 1
          state.mostAtOnce = max(state.mostAtOnce, state.running)
        }
        // A call reads the values at its arrival.
        let body = response(to: call.kind, call.body, isDone: true)
        let isWanted = delay == 0 || peer.wait(delay)
        // Before the response, after which the gateway may send its next call.
        state.withLock { $0.running -= 1 }
        return isWanted && send(body, to: peer)
      })
  }

  /// Returns the body of the response to this request.
  func response(to kind: ScriptedWebTalk.Call.Kind, _ body: [UInt8]) -> [UInt8] {
    response(to: kind, body, isDone: false)
  }

  /// The value of a point that a read at that time returns.
  func shown(_ code: String, at time: Double) -> Int { state.withLock { $0.shown(code, at: time) } }

  /// The largest number of concurrent data calls.
  var mostAtOnce: Int { state.withLock { $0.mostAtOnce } }

  private func response(to kind: ScriptedWebTalk.Call.Kind, _ body: [UInt8], isDone: Bool) -> [UInt8] {
    let now = MonotonicTime.now
    let json = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
    switch kind {
    case .values:
      let codes = Set(json["codes"] as? [String] ?? []).sorted()
      return Array(Self.envelope(state.withLock { state in codes.map { ($0, state.shown($0, at: now)) } }).utf8)
    case .history:
      return Self.long(json["interval"] as? Int ?? 0)
    case .set, .forceSet:
      let points = json["aryPoints"] as? [[String: Any]] ?? []
      if isDone {
        state.withLock { state in
          for point in points {
            state.written[point["pointId"] as? String ?? "", default: []].append(
              (point["value"] as? Int ?? 0, now + lag))
          }
        }
      }
      return Array(#"{"code":200,"msg":"success"}"#.utf8)
    default:
      return Array(#"{"code":200,"call":"\#(kind.rawValue)","asked":\#(body.count)}"#.utf8)
    }
  }

  private static func envelope(_ points: [(code: String, value: Int)]) -> String {
    let elements = points.map { code, value in
      #"{"pointId":"\#(code)","value":\#(value),"time":"2026-06-21 02:04:07"}"#
    }
    return #"{"code":200,"msg":"success","ResultPointObjArr":[\#(elements.joined(separator: ","))]}"#
  }

  /// Returns a body of exactly that many bytes, in which a lost, repeated or moved piece is noticed.
  private static func long(_ size: Int) -> [UInt8] {
    let start = Array(#"{"code":200,"data":""#.utf8)
    let end = Array("\"}".utf8)
    guard size > 1 else { return [0x37] }
    guard size >= start.count + end.count else { return [0x7B] + [UInt8](repeating: 0x20, count: size - 2) + [0x7D] }
    var body = start
    body.reserveCapacity(size)
    while body.count < size - end.count { body += lines.prefix(size - end.count - body.count) }
    return body + end
  }

  /// 251 lines of 61 bytes, no two of them the same.
  private static let lines: [UInt8] = {
    var text: [UInt8] = []
    for number in 0..<251 {
      let start = Array("\(number)".utf8)
      text += start
      text += [UInt8](repeating: UInt8(0x61 + number % 26), count: 61 - start.count)
    }
    return text
  }()

  /// 404 for a body of one byte: that is not a JSON object, so it cannot be a success.
  static func status(of body: [UInt8]) -> Int { body.count > 1 ? 200 : 404 }

  /// Sends the response in one of the framings of RFC 9112 §6, chosen by the size of the body.
  private func send(_ body: [UInt8], to peer: UpstreamPeer) -> Bool {
    let head = "HTTP/1.1 \(Self.status(of: body)) As it is\r\nContent-Type: application/json\r\n"
    switch body.count % 3 {
    case 0:
      return peer.send(Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body)
    case 1:
      guard peer.send(Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8)) else { return false }
      var (at, size) = (0, 1)
      while at < body.count {
        let piece = body[at..<min(at + size, body.count)]
        guard peer.send(Array((String(piece.count, radix: 16) + "\r\n").utf8) + piece + [13, 10]) else { return false }
        (at, size) = (at + piece.count, min(size * 7, 50_000))
      }
      return peer.send(Array("0\r\n\r\n".utf8))
    default:
      _ = peer.send(Array((head + "Connection: close\r\n\r\n").utf8) + body)
      return false
    }
  }
}
