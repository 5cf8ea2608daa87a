import Foundation
import Synchronization

/// An upstream over TCP that runs a test's script for each connection, on a thread of its own. It knows no protocol but
/// HTTP's framing. Closed with the object.
public final class ScriptedUpstream: Sendable {
  private struct State {
    var peers: [UpstreamPeer] = []
    var isStopped = false
  }

  private let listener: TestSocket
  private let state = Mutex(State())

  /// Listens on a free port. Connections wait until `serve` is called.
  public init() throws { listener = try TestSocket.listening() }

  /// - Parameter script: is called with each connection, which is closed afterwards.
  public convenience init(_ script: @escaping @Sendable (UpstreamPeer) -> Void) throws {
    try self.init()
    serve(script)
  }

  deinit { stop() }

  /// Accepts connections and runs the script for each, until `stop`. Called once.
  public func serve(_ script: @escaping @Sendable (UpstreamPeer) -> Void) {
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while let socket = listener.accept(), let peer = self?.newPeer(socket) {
        Thread.detachNewThread {
          script(peer)
          peer.socket.close()
        }
      }
    }
  }

  /// Closes the listener and all connections.
  public func stop() {
    let peers = state.withLock { state in
      state.isStopped = true
      return state.peers
    }
    listener.shutDown()
    for peer in peers { peer.end() }
  }

  public var port: UInt16 { listener.port }

  /// The connections accepted so far.
  public var peers: [UpstreamPeer] { state.withLock { $0.peers } }

  /// The requests that the scripts have taken, by connection.
  public var requests: [TestMessage] { peers.flatMap(\.requests) }

  private func newPeer(_ socket: TestSocket) -> UpstreamPeer? {
    state.withLock { state in
      guard !state.isStopped else { return nil }
      let peer = UpstreamPeer(socket, number: state.peers.count)
      state.peers.append(peer)
      return peer
    }
  }
}

/// One connection that a scripted upstream has accepted. Its script's thread reads, sends and waits; any thread observes
/// it and may end it.
public final class UpstreamPeer: Sendable {
  private struct State {
    var isIdle = true
    var isGone = false
    var sent = 0
    var requests: [TestMessage] = []
  }

  /// The number of the connection, counted from 0.
  public let number: Int
  public let socket: TestSocket
  private let state = Mutex(State())

  init(_ socket: TestSocket, number: Int) {
    self.socket = socket
    self.number = number
  }

  /// Whether the connection waits for a request.
  public var isIdle: Bool { socket.isOpen && state.withLock { $0.isIdle } }
  /// Whether the script serves a request.
  public var isBusy: Bool { socket.isOpen && state.withLock { !$0.isIdle } }
  /// Whether the client closed or reset the connection while the script sent or waited.
  public var isGone: Bool { state.withLock { $0.isGone } }
  /// The bytes that the kernel has accepted, heads included.
  public var sent: Int { state.withLock { $0.sent } }
  /// The requests taken so far.
  public var requests: [TestMessage] { state.withLock { $0.requests } }

  /// Shuts the connection down. Any thread may call it.
  public func end() { socket.shutDown() }

  /// Waits for the next request; nil at the end of the connection, or when the client sends anything else.
  public func takeRequest() -> TestMessage? {
    state.withLock { $0.isIdle = true }
    guard let request = try? socket.receiveRequest(until: .infinity) else { return nil }
    state.withLock { state in
      state.isIdle = false
      state.requests.append(request)
    }
    return request
  }

  /// Sends bytes; false when the client has closed the connection, or takes nothing for a minute.
  @discardableResult
  public func send(_ bytes: [UInt8]) -> Bool {
    let isTaken = socket.send(bytes, until: MonotonicTime.now + 60)
    state.withLock { state in
      if isTaken { state.sent += bytes.count } else { state.isGone = true }
    }
    return isTaken
  }

  @discardableResult
  public func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Waits; false when the client closes the connection before the time ends.
  public func wait(_ seconds: Double) -> Bool {
    let end = MonotonicTime.now + seconds
    return wait { MonotonicTime.now >= end }
  }

  /// Waits until the condition holds; false when the client closes the connection before.
  public func wait(until isOver: () -> Bool) -> Bool {
    let isMet = try? firstValue("the condition or the client's end", within: .infinity) { () -> Bool? in
      if isOver() { return true }
      return socket.hasEnd ? false : nil
    }
    if isMet != true { state.withLock { $0.isGone = true } }
    return isMet == true
  }
}
