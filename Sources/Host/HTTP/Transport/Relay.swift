import AdapterAPI

/// Moves the rest of an upstream's answer from its socket to the client's through a pipe, without a look at it.
///
/// The pipe is filled when it is empty and emptied before it is filled again, so one side is never read faster than the other
/// takes. The two connections tell it when they can go on; each keeps the deadline of its own side. Touched by its loop's thread
/// only.
final class Relay {
  enum End {
    case whole
    /// There is no pipe to be had: the rest has to be copied.
    case unfinished
    case clientGone
    case failed(UpstreamFailure)
  }

  /// Until the answer's last byte has left it: then it may be in other hands.
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

  /// The client has yet to take what is in the pipe.
  var waitsForClient: Bool { inPipe > 0 }

  /// Returns when all has gone, or nothing more will.
  func run() async -> End {
    upstream?.relay = self
    exchange.relay = self
    advance()
    if let end { return end }
    return await withUnsafeContinuation { waiter = $0 }
  }

  /// Moves what can be moved now.
  func advance() {
    // Others come first after so many bytes: a client may take a long answer as fast as it comes.
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

  /// The client has taken so many bytes.
  func moved(_ count: Int) {
    inPipe -= count
    exchange.relayed(count)
  }

  /// Moves bytes into the empty pipe; nil when there are none yet, or no more.
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
      // Who waits for an upstream holds none.
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

  /// The client's socket has room. Without news of it the upstream is not looked at again: it is waited for, and since when
  /// counts.
  func clientIsWritable() { if inPipe > 0 { advance() } }

  /// The upstream has bytes, or has ended.
  func upstreamIsReadable() { if inPipe == 0 { advance() } }

  /// All of the answer has left it.
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
