import Testing

@testable import Host

@Suite struct ServerConnectionStateTests {
  private typealias State = ServerConnectionState
  private typealias Event = (inout State) -> State.Action

  /// Each event with the action and the phase that follow.
  private func expect(
    _ script: [(Event, State.Action, State.Phase)], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var state = State()
    for (number, (event, action, phase)) in script.enumerated() {
      let got = event(&state)
      #expect(got == action, "step \(number)", sourceLocation: sourceLocation)
      #expect(state.phase == phase, "step \(number)", sourceLocation: sourceLocation)
    }
  }

  private static func noAction(_ event: @escaping (inout State) -> Void) -> Event {
    {
      event(&$0)
      return .wait
    }
  }

  private let partOfHead: Event = { $0.settled(hasInput: true) }
  private let nothingLeft: Event = { $0.settled(hasInput: false) }
  private let wholeHead = ServerConnectionStateTests.noAction { $0.began() }
  private let refused = ServerConnectionStateTests.noAction { $0.refused() }
  private let closeAnnounced: Event = { $0.responds(mayKeepAlive: false) ? .wait : .next }
  private let handlerEndsFlushed: Event = { $0.exchangeEnded(hasResponded: true, isFlushed: true) }
  private let handlerEndsUnflushed: Event = { $0.exchangeEnded(hasResponded: true, isFlushed: false) }
  private let handlerEndsSilent: Event = { $0.exchangeEnded(hasResponded: false, isFlushed: true) }
  private let flushed: Event = { $0.flushed() }
  private let clientEnds: Event = { $0.clientEnded(waitsForBody: false) }
  private let clientEndsInBody: Event = { $0.clientEnded(waitsForBody: true) }
  private let timer: Event = { $0.expired(waitsForClient: false, waitsForBody: false) }
  private let timerInBody: Event = { $0.expired(waitsForClient: false, waitsForBody: true) }
  private let timerWhileSending: Event = { $0.expired(waitsForClient: true, waitsForBody: false) }

  @Test func `head, response, idle timer: the connection lingers, then closes`() {
    expect([
      (partOfHead, .awaitHead, .head), (wholeHead, .wait, .exchange), (handlerEndsUnflushed, .wait, .flushing),
      (flushed, .next, .idle), (nothingLeft, .awaitRequest, .idle), (timer, .endSending, .lingering),
      (timer, .close, .closed), (timer, .wait, .closed),
    ])
  }

  @Test func `a head in pieces starts its timer once`() {
    expect([(partOfHead, .awaitHead, .head), (partOfHead, .wait, .head), (timer, .headTimedOut, .head)])
  }

  @Test func `the head of a second request has a timer of its own`() {
    expect([
      (partOfHead, .awaitHead, .head), (wholeHead, .wait, .exchange), (handlerEndsFlushed, .next, .idle),
      (partOfHead, .awaitHead, .head),
    ])
  }

  @Test func `a refused request ends the connection when the client has taken the response`() {
    expect([
      (partOfHead, .awaitHead, .head), (refused, .wait, .flushing), (nothingLeft, .wait, .flushing),
      (flushed, .next, .idle), (nothingLeft, .endSending, .lingering), (clientEnds, .close, .closed),
    ])
  }

  @Test func `a body that is late or cut off fails the handler's wait, and the exchange continues`() {
    expect([(wholeHead, .wait, .exchange), (timerInBody, .bodyTimedOut, .exchange)])
    expect([
      (wholeHead, .wait, .exchange), (clientEndsInBody, .bodyCutOff, .exchange),
      ({ $0.awaitsBody() }, .bodyCutOff, .exchange), (closeAnnounced, .wait, .exchange),
      (handlerEndsFlushed, .next, .idle), (nothingLeft, .close, .closed),
    ])
  }

  @Test func `no timer ends a handler that waits neither for the body nor for the client`() {
    expect([(wholeHead, .wait, .exchange), (timer, .wait, .exchange), (flushed, .resumeHandler, .exchange)])
  }

  @Test func `a client that takes no bytes is reset`() {
    expect([(wholeHead, .wait, .exchange), (timerWhileSending, .reset, .closed)])
    expect([
      (wholeHead, .wait, .exchange), (handlerEndsUnflushed, .wait, .flushing), (timerWhileSending, .reset, .closed),
    ])
  }

  @Test func `a handler without a response resets the connection`() {
    expect([(wholeHead, .wait, .exchange), (handlerEndsSilent, .reset, .closed), (handlerEndsSilent, .wait, .closed)])
  }

  @Test func `an error resets, a hang-up resets only during an exchange, and neither while lingering`() {
    expect([({ $0.hungUp(isError: true) }, .reset, .closed)])
    expect([({ $0.hungUp(isError: false) }, .wait, .idle)])
    expect([(wholeHead, .wait, .exchange), ({ $0.hungUp(isError: false) }, .reset, .closed)])
    expect([(timer, .endSending, .lingering), ({ $0.hungUp(isError: true) }, .wait, .lingering)])
  }

  @Test func `a drain closes idle connections only`() {
    expect([({ $0.drained() }, .close, .closed)])
    expect([(partOfHead, .awaitHead, .head), ({ $0.drained() }, .wait, .head)])
    expect([(wholeHead, .wait, .exchange), ({ $0.drained() }, .wait, .exchange)])
  }

  @Test func `a drained socket is read again after an event, or at once for an end behind the bytes`() {
    var state = State()
    state.readable()
    state.read(isDrained: false)
    #expect(state.isReadable)
    state.read(isDrained: true)
    #expect(!state.isReadable)
    state.readable(isEnding: true)
    state.read(isDrained: true)
    #expect(state.isReadable)
    state.readWouldBlock()
    #expect(!state.isReadable)
  }

  @Test func `input has a use while idle, in a head, in an awaited body and while lingering`() {
    var state = State()
    #expect(state.wantsInput(waitsForBody: false))
    _ = state.settled(hasInput: true)
    #expect(state.wantsInput(waitsForBody: false))
    state.began()
    #expect(!state.wantsInput(waitsForBody: false) && state.wantsInput(waitsForBody: true))
    _ = state.exchangeEnded(hasResponded: true, isFlushed: false)
    #expect(!state.wantsInput(waitsForBody: false))
    state.mustClose()
    _ = state.flushed()
    #expect(!state.wantsInput(waitsForBody: false) && !state.canStart)
    _ = state.settled(hasInput: false)
    #expect(state.phase == .lingering && state.wantsInput(waitsForBody: false) && !state.canSend)
  }
}
