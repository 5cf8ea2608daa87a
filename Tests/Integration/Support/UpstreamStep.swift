import Synchronization
import TestSupport

/// The handling of one call by `ScriptedWebTalk`. Returns false to close the connection.
struct UpstreamStep: Sendable {
  let run: @Sendable (ScriptedWebTalk, UpstreamPeer, ScriptedWebTalk.Call) -> Bool

  init(_ run: @escaping @Sendable (ScriptedWebTalk, UpstreamPeer, ScriptedWebTalk.Call) -> Bool) { self.run = run }

  /// Responds like the real upstream.
  static let normal = UpstreamStep { upstream, peer, call in peer.send(upstream.respondNormally(call)) }
  /// Never responds; ends when the gateway closes the connection.
  static let hang = UpstreamStep { _, peer, _ in peer.wait(600) }
  /// Closes the connection without a byte.
  static let close = UpstreamStep { _, _, _ in false }
  /// Resets the connection without a byte.
  static let reset = UpstreamStep { _, peer, _ in
    peer.socket.reset()
    return false
  }

  /// Waits before the given step.
  static func delay(_ seconds: Double, then step: UpstreamStep = .normal) -> UpstreamStep {
    UpstreamStep { upstream, peer, call in peer.wait(seconds) && step.run(upstream, peer, call) }
  }

  /// Responds when the gate opens. The call takes effect then, or at its arrival with `isEarly`.
  static func held(by gate: Gate, isEarly: Bool = false) -> UpstreamStep {
    UpstreamStep { upstream, peer, call in
      let early = isEarly ? upstream.respondNormally(call) : nil
      return peer.wait(for: gate) && peer.send(early ?? upstream.respondNormally(call))
    }
  }

  /// Sends these bytes, then closes the connection or keeps it open.
  static func raw(_ bytes: [UInt8], close: Bool = true) -> UpstreamStep {
    UpstreamStep { _, peer, _ in peer.send(bytes) && !close }
  }

  static func raw(_ text: String, close: Bool = true) -> UpstreamStep { raw(Array(text.utf8), close: close) }

  /// Sends a complete response with that body.
  static func response(_ body: String, status: String = "200 OK", fields: String = "") -> UpstreamStep {
    raw(Wire.message(body, status: status, fields: fields), close: false)
  }

  /// Sends HTTP 200 with a code in the envelope.
  static func envelope(_ code: Int) -> UpstreamStep { response(#"{"code":\#(code),"error":"scripted"}"#) }
}

extension UpstreamPeer {
  /// Waits until the gate is open; false when the gateway closes the connection before.
  func wait(for gate: Gate) -> Bool { wait { gate.isOpen } }
}

/// Delays calls until it is opened.
final class Gate: Sendable {
  private let state = Atomic(false)
  var isOpen: Bool { state.load(ordering: .acquiring) }
  func open() { state.store(true, ordering: .releasing) }
}
