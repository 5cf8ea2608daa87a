import AdapterAPI
import Testing

@testable import Host

/// Transcripts of events and of the actions that the state machine answers with.
struct UpstreamConnectionStateTests {
  private typealias Action = UpstreamConnectionState.Action
  private typealias Phase = UpstreamConnectionState.Phase

  private enum Event {
    case opened(Int32)
    case begin(isWrite: Bool = false, isQuiet: Bool = true)
    case wrote(Int, isLast: Bool)
    case writeFailed
    case peerEnds, readable
    /// One read of the socket, and what it yields.
    case bytes(String)
    case wouldBlock, end, readFailed
    case expired, drainExpired, close
    case callerLeft(Int)
    case streamBytes(String)
    case streamEnd
    case streamCancelled(Int)
  }

  /// Applies one event to the state.
  private static func apply(_ event: Event, to state: inout UpstreamConnectionState) -> Action {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: EventLoop.upstreamScratchSize, alignment: 8)
    defer { scratch.deallocate() }
    func yields(_ text: String) -> (UnsafeMutableRawBufferPointer) -> Transport.Read {
      { space in
        space.copyBytes(from: text.utf8)
        return .bytes(text.utf8.count, isDrained: text.utf8.count < space.count)
      }
    }
    switch event {
    case .opened(let code): return state.opened(code)
    case .begin(let isWrite, let isQuiet):
      return state.begin(isWrite: isWrite, leavesAtOnce: false, endedThisTurn: false, isQuiet: isQuiet)
    case .wrote(let count, let isLast): return state.wrote(count, isLast: isLast)
    case .writeFailed: return state.writeFailed(32)
    case .peerEnds:
      state.peerEnds()
      return .wait
    case .readable: return state.readable()
    case .bytes(let text): return state.read(by: scratch, from: yields(text))
    case .wouldBlock: return state.read(by: scratch) { _ in .wouldBlock }
    case .end: return state.read(by: scratch) { _ in .end }
    case .readFailed: return state.read(by: scratch) { _ in .failed(104) }
    case .expired: return state.expired()
    case .drainExpired: return state.drainExpired()
    case .close: return state.close()
    case .callerLeft(let exchange): return state.callerLeft(exchange)
    case .streamBytes(let text): return state.readStream(by: scratch, from: yields(text))
    case .streamEnd: return state.readStream(by: scratch) { _ in .end }
    case .streamCancelled(let exchange): return state.streamCancelled(exchange)
    }
  }

  /// Plays a transcript from a new connection on. Failures are compared without their text, which the log shows.
  private static func play(
    _ steps: [(Event, Action, Phase)], sourceLocation: SourceLocation = #_sourceLocation
  ) -> UpstreamConnectionState {
    var state = UpstreamConnectionState(UpstreamOptions())
    for (index, (event, action, phase)) in steps.enumerated() {
      var actual = apply(event, to: &state)
      if case .fail(var failure) = actual {
        failure.detail = ""
        actual = .fail(failure)
      }
      #expect(actual == action, "step \(index): \(event)", sourceLocation: sourceLocation)
      #expect(state.phase == phase, "step \(index): \(event)", sourceLocation: sourceLocation)
    }
    return state
  }

  private static func failed(
    _ kind: UpstreamFailure.Kind, left: Bool = false, began: Bool = false
  ) -> Action {
    .fail(UpstreamFailure(kind: kind, detail: "", requestLeft: left, responseBegan: began))
  }

  private static let opened: [(Event, Action, Phase)] = [(.opened(0), .connected, .idle)]
  private static let sent: [(Event, Action, Phase)] =
    opened + [(.begin(), .write, .sending), (.wrote(9, isLast: true), .awaitResponse, .awaitingHead)]
  private static let streaming: [(Event, Action, Phase)] =
    sent + [
      (.readable, .read, .awaitingHead),
      (.bytes("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n"), .acknowledge, .receiving),
      (.readable, .read, .receiving),
      (.bytes(String(repeating: "x", count: UpstreamConnectionState.prefixSize)), .stream, .streaming),
    ]

  @Test func `two exchanges in pieces pass through every phase and leave the connection idle`() {
    let exchange: [(Event, Action, Phase)] = [
      (.begin(isWrite: true), .write, .sending), (.wrote(3, isLast: false), .wait, .sending),
      (.wrote(6, isLast: true), .awaitResponse, .awaitingHead), (.readable, .read, .awaitingHead),
      (.bytes("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), .acknowledge, .awaitingHead),
      (.readable, .read, .awaitingHead),
      (.bytes(" OK\r\nContent-Length: 5\r\n\r\nhe"), .acknowledge, .receiving), (.readable, .read, .receiving),
      (.bytes("llo"), .respond, .idle),
    ]
    var state = Self.play(Self.opened + exchange + exchange + [(.readable, .close, .closed), (.close, .wait, .closed)])
    #expect(state.exchanges == 2)
    #expect(state.takeBody() == Array("hello".utf8))
  }

  @Test func `the first part of a response is acknowledged at once, so that the upstream sends the rest`() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
    // Cut in every place: within the head, behind it, within the body.
    for cut in 1..<whole.utf8.count {
      let first = String(decoding: whole.utf8.prefix(cut), as: UTF8.self)
      let second = String(decoding: whole.utf8.dropFirst(cut), as: UTF8.self)
      let phase: Phase = cut < whole.utf8.count - 2 ? .awaitingHead : .receiving
      _ = Self.play(
        Self.sent + [
          (.readable, .read, .awaitingHead), (.bytes(first), .acknowledge, phase), (.readable, .read, phase),
          (.bytes(second), .respond, .idle),
        ])
    }
  }

  @Test func `each further part of a response is acknowledged once, and a response that arrives whole is not`() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    let exchange: [(Event, Action, Phase)] = [
      (.begin(), .write, .sending), (.wrote(9, isLast: true), .awaitResponse, .awaitingHead),
      (.readable, .read, .awaitingHead), (.wouldBlock, .wait, .awaitingHead), (.readable, .read, .awaitingHead),
      (.bytes(head), .acknowledge, .receiving), (.readable, .read, .receiving),
      (.bytes("1\r\na\r\n"), .acknowledge, .receiving), (.readable, .read, .receiving),
      (.wouldBlock, .wait, .receiving), (.readable, .read, .receiving), (.bytes("0\r\n\r\n"), .respond, .idle),
    ]
    _ = Self.play(Self.opened + exchange + exchange)
    for whole in ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 204 No Content\r\n\r\n"] {
      _ = Self.play(Self.sent + [(.readable, .read, .awaitingHead), (.bytes(whole), .respond, .idle)])
    }
    // The end stands behind the bytes: no more data comes.
    _ = Self.play(
      Self.sent + [
        (.peerEnds, .wait, .awaitingHead), (.readable, .read, .awaitingHead), (.bytes(head), .wait, .receiving),
      ])
  }

  @Test func `small pieces of a stream are acknowledged at once, and large ones by the kernel`() {
    // Reads that fill the buffer do not drain the socket.
    func filling(_ size: Int, _ start: String = "") -> Event {
      .bytes(start + String(repeating: "x", count: size - start.utf8.count))
    }
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n"
    var state = Self.play(
      Self.sent + [
        (.readable, .read, .awaitingHead), (filling(16 << 10, head), .wait, .receiving),
        (filling(EventLoop.upstreamScratchSize), .stream, .streaming),
      ])
    #expect(state.mustAcknowledge() == false, "there is more to read")
    for (size, isSmall) in [(100, true), (16 << 10, false), (60 << 10, false), (1, true)] {
      #expect(Self.apply(.streamBytes(String(repeating: "x", count: size)), to: &state) == .wait)
      #expect(state.mustAcknowledge() == isSmall, "\(size)")
      #expect(state.mustAcknowledge() == false)
    }
    // Bytes that are relayed unseen count too.
    state = Self.play(Self.streaming)
    _ = state.takeBody()
    #expect(state.moved(.bytes(500)) == .moved(500))
    #expect(state.moved(.wouldBlock) == .wait)
    #expect(state.mustAcknowledge() == true)
  }

  @Test func `a connection that is not opened fails, whatever the reason`() {
    _ = Self.play([(.opened(111), Self.failed(.unreachable), .closed), (.opened(0), .wait, .closed)])
    _ = Self.play([(.expired, Self.failed(.timeout), .closed)])
  }

  @Test func `an idle connection closes when it becomes readable, expires or is closed`() {
    for event in [Event.readable, .expired, .close] { _ = Self.play(Self.opened + [(event, .close, .closed)]) }
    _ = Self.play(Self.opened + [(.drainExpired, .wait, .idle)])
  }

  @Test func `a request fails unsent when the connection ends before a byte of it has left`() {
    _ = Self.play(
      Self.opened + [(.begin(), .write, .sending), (.readable, Self.failed(.unreachable), .closed)])
    // The end came while the connection was opened: the socket is asked.
    let early: [(Event, Action, Phase)] = [(.readable, .wait, .connecting)] + Self.opened
    _ = Self.play(early + [(.begin(isQuiet: false), Self.failed(.unreachable), .closed)])
    _ = Self.play(early + [(.begin(isQuiet: true), .write, .sending)])
  }

  @Test(arguments: [false, true], [false, true])
  func `begin asks the socket of a used connection for writes, at the end of an exchange, and before sending at once`(
    isUsed: Bool, isWrite: Bool
  ) {
    for (leavesAtOnce, endedThisTurn) in [(false, false), (false, true), (true, false)] {
      var state = UpstreamConnectionState(UpstreamOptions())
      _ = state.opened()
      if isUsed {
        for event in [
          Event.begin(), .wrote(1, isLast: true), .readable, .bytes("HTTP/1.1 204 No Content\r\n\r\n"),
        ] { _ = Self.apply(event, to: &state) }
      }
      var wasAsked = false
      func ask() -> Bool {
        wasAsked = true
        return true
      }
      let action = state.begin(
        isWrite: isWrite, leavesAtOnce: leavesAtOnce, endedThisTurn: endedThisTurn, isQuiet: ask())
      #expect(action == .write)
      #expect(wasAsked == (isUsed && (isWrite || leavesAtOnce || endedThisTurn)))
    }
  }

  @Test func `a response before all of the request has left is handed over, and the connection closes`() {
    let early = Self.opened + [(.begin(), .write, .sending), (.wrote(3, isLast: false), .wait, .sending)]
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    _ = Self.play(early + [(.readable, .read, .sending), (.bytes(response), .respond, .closed)])
    // Writing fails: the response is read first.
    _ = Self.play(
      early + [
        (.readable, .read, .sending), (.bytes(response), .respond, .closed), (.writeFailed, .wait, .closed),
      ])
    _ = Self.play(
      early + [
        (.readable, .read, .sending), (.wouldBlock, .wait, .sending),
        (.writeFailed, Self.failed(.unreachable, left: true), .closed),
      ])
  }

  @Test func `a connection is not used again after an announced end, surplus bytes or a body without a length`() {
    let read: [(Event, Action, Phase)] = [(.readable, .read, .awaitingHead)]
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    _ = Self.play(Self.sent + [(.peerEnds, .wait, .awaitingHead)] + read + [(.bytes(response), .respond, .closed)])
    _ = Self.play(Self.sent + read + [(.bytes(response + "y"), .respond, .closed)])
    _ = Self.play(
      Self.sent + read + [(.bytes("HTTP/1.1 200 OK\r\n\r\nx"), .acknowledge, .receiving), (.end, .respond, .closed)])
  }

  @Test func `a failure says whether the request has left and the response has begun`() {
    let begun =
      Self.sent + [(.readable, .read, .awaitingHead), (.bytes("HTTP/1.1 200 OK\r\n"), .acknowledge, .awaitingHead)]
    for event in [Event.end, .readFailed] {
      _ = Self.play(Self.sent + [(event, Self.failed(.unreachable, left: true), .closed)])
      _ = Self.play(begun + [(event, Self.failed(.malformed, left: true, began: true), .closed)])
    }
    _ = Self.play(begun + [(.bytes("no field\r\n"), Self.failed(.malformed, left: true, began: true), .closed)])
    _ = Self.play(begun + [(.expired, Self.failed(.timeout, left: true), .closed)])
    _ = Self.play(
      begun + [
        (.bytes("Content-Length: 9\r\n\r\n"), .acknowledge, .receiving),
        (.expired, Self.failed(.timeout, left: true, began: true), .closed),
      ])
    _ = Self.play(Self.sent + [(.drainExpired, Self.failed(.timeout, left: true), .closed)])
  }

  @Test func `a caller that leaves ends its own read, and a write only before a byte of it has left`() {
    _ = Self.play(Self.sent + [(.callerLeft(2), .wait, .awaitingHead), (.callerLeft(0), .wait, .awaitingHead)])
    _ = Self.play(Self.sent + [(.callerLeft(1), Self.failed(.cancelled, left: true), .closed)])
    let write: [(Event, Action, Phase)] = Self.opened + [(.begin(isWrite: true), .write, .sending)]
    _ = Self.play(write + [(.callerLeft(1), Self.failed(.cancelled), .closed)])
    _ = Self.play(write + [(.wrote(1, isLast: false), .wait, .sending), (.callerLeft(1), .wait, .sending)])
  }

  @Test func `a long body streams: pieces as they come, then the connection is idle`() {
    let rest = 70_000 - UpstreamConnectionState.prefixSize
    var state = Self.play(Self.streaming)
    #expect(state.takeBody().count == UpstreamConnectionState.prefixSize)
    #expect(state.pull(1) == .read)
    #expect(Self.apply(.streamBytes(String(repeating: "y", count: rest)), to: &state) == .wait)
    #expect(state.pull(1) == .piece([UInt8](repeating: UInt8(ascii: "y"), count: rest)))
    #expect(state.pull(1) == .completed && state.phase == .idle)
    #expect(state.pull(1) == .nothing)
  }

  @Test func `a stream that is cut off yields what came before, then the failure`() {
    var state = Self.play(Self.streaming)
    #expect(Self.apply(.readable, to: &state) == .resumeStream)
    #expect(Self.apply(.streamEnd, to: &state) == .close)
    #expect(state.pull(1) == .piece([UInt8](repeating: UInt8(ascii: "x"), count: UpstreamConnectionState.prefixSize)))
    #expect(state.pull(1) == .failed(.cutOff))
    _ = Self.play(
      Self.streaming + [
        (.streamCancelled(0), .wait, .streaming),
        (.streamCancelled(1), Self.failed(.cancelled, left: true, began: true), .closed),
      ])
  }

  @Test func `a relay counts the bytes it moves, and a body that is cut off fails`() {
    let rest = 70_000 - UpstreamConnectionState.prefixSize
    var state = Self.play(Self.streaming)
    _ = state.takeBody()
    #expect(state.moved(.bytes(1_000)) == .moved(1_000))
    #expect(state.moved(.wouldBlock) == .wait && !state.isReadable)
    var cut = state
    #expect(cut.moved(.end) == .failed(.cutOff) && cut.phase == .closed)
    #expect(state.moved(.bytes(rest - 1_000)) == .completed(rest - 1_000) && state.phase == .idle)
  }
}
