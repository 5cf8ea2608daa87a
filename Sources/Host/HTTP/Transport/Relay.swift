import AdapterAPI

/// Moves the rest of an upstream's response from its socket to the client's through a pipe, without reading it.
///
/// The pipe is emptied before it is filled again, so the upstream is never read faster than the client reads. The two connections
/// report when they can continue; each has the deadline of its own side. Touched by its loop's thread only.
final class Relay {
  enum End {
    case whole
    /// No pipe is available: the rest must be copied.
    case unfinished
    case clientGone
    case failed(UpstreamFailure)
  }

  /// Nil once the last byte of the response has left it: it may then serve another exchange.
  private var upstream: UpstreamConnection?
  private let exchange: Exchange
  private var pipe: Pipe?
  private var inPipe = 0
  private var end: End?
  private var isPosted = false
  private var waiter: UnsafeContinuation<End, Never>?

  init(from upstream: UpstreamConnection, to exchange: Exchange) {
    self.upstream = upstream
    self.exchange = exchange
  }

  private var loop: EventLoop { exchange.loop }

  /// The pipe holds bytes that the client has not taken.
  var waitsForClient: Bool { inPipe > 0 }

  /// Returns at the end of the body, or when no more can be moved.
  func run() async -> End {
    upstream?.relay = self
    exchange.relay = self
    advance()
    if let end { return end }
    return await withUnsafeContinuation { waiter = $0 }
  }

  /// Moves as much as possible without waiting.
  func advance() {
    // Other connections come first after so many bytes: a client may take a long response as fast as it comes.
    var left = ServerConnection.bytesPerTurn
    while end == nil {
      if let pipe, inPipe > 0 {
        guard exchange.connection.take(from: pipe, count: inPipe, relay: self) else { return }
      } else if let upstream {
        guard left > 0 else { return advanceLater() }
        guard let count = fill(from: upstream) else { return }
        left -= count
      } else {
        finish(.whole)
      }
    }
  }

  /// The client has taken `count` bytes from the pipe.
  func moved(_ count: Int) {
    inPipe -= count
    exchange.relayed(count)
  }

  /// Moves bytes into the empty pipe. Returns nil when there are none yet, or the relay is over.
  private func fill(from upstream: UpstreamConnection) -> Int? {
    guard let pipe = pipe ?? loop.pipes.take() else {
      finish(.unfinished)
      return nil
    }
    self.pipe = pipe
    switch upstream.move(into: pipe) {
    case .success(let count)?:
      inPipe = count
      return count
    case .failure(let failure)?:
      finish(.failed(failure))
      return nil
    case nil:
      // A relay that waits for its upstream holds no pipe.
      giveBackPipe()
      return nil
    }
  }

  private func advanceLater() {
    guard !isPosted else { return }
    isPosted = true
    let bound = LoopBound(self, on: loop)
    loop.post {
      bound.value.isPosted = false
      bound.value.advance()
    }
  }

  /// The client's socket has room. While the relay waits for the upstream there is nothing to do, and the time of that wait runs on.
  func clientIsWritable() { if inPipe > 0 { advance() } }

  /// The upstream has bytes, or has ended.
  func upstreamIsReadable() { if inPipe == 0 { advance() } }

  /// All of the response has left the upstream's connection.
  func upstreamHasEnded() { upstream = nil }

  func upstreamFailed(_ failure: UpstreamFailure) { finish(.failed(failure)) }

  func clientGone() { finish(.clientGone) }

  private func finish(_ end: End) {
    guard self.end == nil else { return }
    self.end = end
    exchange.relay = nil
    upstream?.relay = nil
    upstream = nil
    giveBackPipe()
    let waiting = waiter
    waiter = nil
    waiting?.resume(returning: end)
  }

  private func giveBackPipe() {
    guard let pipe else { return }
    loop.pipes.giveBack(pipe)
    self.pipe = nil
    inPipe = 0
  }
}
