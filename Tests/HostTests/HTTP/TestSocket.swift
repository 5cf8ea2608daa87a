import Foundation

@testable import Host

/// A blocking TCP socket on the loopback interface, as a client or as an upstream's side. Every call ends within thirty
/// seconds.
///
/// `@unchecked Sendable`: the descriptor never changes; `rest` is touched by the one who reads, `isOpen` by the one who
/// closes.
final class TestSocket: @unchecked Sendable {
  enum End: Equatable { case finished, reset, nothing }

  let fd: Int32
  private var rest: [UInt8] = []
  private var isOpen = true

  init(fd: Int32) {
    self.fd = fd
    var one: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close() }

  static let listenAddress = Configuration.Address(
    host: "127.0.0.1", port: 0, position: .init(line: 1, column: 1))

  /// Connects; small buffers make a slow reader slow at once.
  static func connect(to address: SocketAddress, receiveBuffer: Int32? = nil) -> TestSocket? {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let connection = TestSocket(fd: fd)
    if var receiveBuffer {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    return address.withPointer({ Glibc.connect(fd, $0, $1) }) == 0 ? connection : nil
  }

  /// Both ends of a connection; the second is not blocking.
  static func pair(receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil) throws -> (TestSocket, Int32) {
    let listener = try ListeningSocket(listenAddress)
    guard let client = connect(to: listener.address, receiveBuffer: receiveBuffer) else {
      throw ListeningSocket.BindError(message: "no connection")
    }
    var waiting = pollfd(fd: listener.fd, events: Int16(POLLIN), revents: 0)
    poll(&waiting, 1, 30_000)
    let other = accept(listener.fd, nil, nil)
    guard other >= 0 else { throw ListeningSocket.BindError(message: "nobody came") }
    _ = fcntl(other, F_SETFL, O_NONBLOCK)
    if var sendBuffer {
      setsockopt(other, SOL_SOCKET, SO_SNDBUF, &sendBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    return (client, other)
  }

  // MARK: sending

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL)) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  /// Ends the sending side.
  func finish() { shutdown(fd, Int32(SHUT_WR)) }

  /// Sends and ends in one step, so that the last bytes and the end arrive together.
  func sendAndFinish(_ text: String) {
    var cork: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_CORK, &cork, socklen_t(MemoryLayout<Int32>.size))
    send(text)
    finish()
  }

  func close() {
    if isOpen { Glibc.close(fd) }
    isOpen = false
  }

  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  // MARK: receiving

  /// Something can be read within the time.
  func isReadable(within milliseconds: Int32) -> Bool {
    if !rest.isEmpty { return true }
    var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    return poll(&waiting, 1, milliseconds) > 0
  }

  /// The other side has sent its end, or a reset, and nothing else.
  func hasEnd() -> Bool {
    var byte: UInt8 = 0
    let count = recv(fd, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    return count == 0 || count < 0 && errno != EAGAIN
  }

  private func fill() -> End? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(fd, &buffer, buffer.count, 0)
      if count > 0 {
        rest += buffer[..<count]
        return nil
      }
      if count == 0 { return .finished }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .nothing : .reset
    }
  }

  /// Everything up to the end, and how it ended.
  func receiveAll() -> (text: String, end: End) {
    while true {
      if let end = fill() {
        defer { rest = [] }
        return (String(decoding: rest, as: UTF8.self), end)
      }
    }
  }

  /// The first so many bytes, fewer at the end.
  func receive(_ count: Int) -> [UInt8] {
    while rest.count < count, fill() == nil {}
    let taken = Array(rest.prefix(count))
    rest.removeFirst(taken.count)
    return taken
  }

  /// Up to and with an empty line; nil when the other side ended before.
  func receiveHead() -> String? {
    var from = 0
    while true {
      while from + 3 < rest.count {
        if rest[from] == 13, rest[from + 1] == 10, rest[from + 2] == 13, rest[from + 3] == 10 {
          return String(decoding: receive(from + 4), as: UTF8.self)
        }
        from += 1
      }
      if fill() != nil { return nil }
    }
  }
}
