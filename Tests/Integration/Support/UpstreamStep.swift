import Synchronization

/// What the scripted upstream does with one call. Returns false to close the connection.
struct UpstreamStep: Sendable {
  let run: @Sendable (ScriptedUpstream, UpstreamPeer, ScriptedUpstream.Call) -> Bool

  init(_ run: @escaping @Sendable (ScriptedUpstream, UpstreamPeer, ScriptedUpstream.Call) -> Bool) { self.run = run }

  /// As the real one answers.
  static let normal = UpstreamStep { upstream, peer, call in peer.send(upstream.answerNormally(call)) }
  /// Reads the request and never answers; ends when the gateway goes.
  static let hang = UpstreamStep { _, peer, _ in peer.wait(600) }
  /// Closes without a byte.
  static let close = UpstreamStep { _, _, _ in false }
  /// Resets without a byte.
  static let reset = UpstreamStep { _, peer, _ in
    peer.reset()
    return false
  }
  /// Closes without a byte where the connection has served before, else answers.
  static let closeIfReused = UpstreamStep { upstream, peer, call in
    call.precedingOnConnection == 0 && peer.send(upstream.answerNormally(call))
  }

  /// Waits first.
  static func delay(_ seconds: Double, then step: UpstreamStep = .normal) -> UpstreamStep {
    UpstreamStep { upstream, peer, call in peer.wait(seconds) && step.run(upstream, peer, call) }
  }

  /// Answers when the gate opens. The call takes effect then, or `isEarly`: before.
  static func held(by gate: Gate, isEarly: Bool = false) -> UpstreamStep {
    UpstreamStep { upstream, peer, call in
      let early = isEarly ? upstream.answerNormally(call) : nil
      return peer.wait(for: gate) && peer.send(early ?? upstream.answerNormally(call))
    }
  }

  /// These bytes as they are; then the connection is closed, or stays.
  static func raw(_ bytes: [UInt8], close: Bool = true) -> UpstreamStep {
    UpstreamStep { _, peer, _ in peer.send(bytes) && !close }
  }

  static func raw(_ text: String, close: Bool = true) -> UpstreamStep { raw(Array(text.utf8), close: close) }

  /// A whole answer with that body.
  static func answer(_ body: String, status: String = "200 OK", fields: String = "") -> UpstreamStep {
    raw(Wire.message(body, status: status, fields: fields), close: false)
  }

  /// HTTP 200 with a code in the envelope.
  static func envelope(_ code: Int) -> UpstreamStep { answer(#"{"code":\#(code),"error":"scripted"}"#) }

  /// A JSON body of exactly that many bytes, sent as fast as it is taken.
  static func large(_ count: Int) -> UpstreamStep {
    UpstreamStep { _, peer, _ in
      let start = Array(#"{"code":200,"data":""#.utf8)
      let end = Array("\"}".utf8)
      let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(count)\r\n\r\n"
      guard peer.send(Array(head.utf8) + start) else { return false }
      var left = count - start.count - end.count
      let piece = [UInt8](repeating: 0x78, count: 65_536)
      while left > 0 {
        guard peer.send(left >= piece.count ? piece : Array(piece[..<left])) else { return false }
        left -= piece.count
      }
      return peer.send(end)
    }
  }
}

/// Holds calls until it is opened.
final class Gate: Sendable {
  private let state = Atomic(false)
  var isOpen: Bool { state.load(ordering: .acquiring) }
  func open() { state.store(true, ordering: .releasing) }
}
