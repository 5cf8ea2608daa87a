import Foundation
import Synchronization

/// A TCP socket on the loopback interface: a client, an upstream's side of a connection, or a listener. Every call
/// blocks its thread, and returns within a deadline. Closed with the object.
///
/// `@unchecked Sendable`: `rest` belongs to the thread that reads.
public final class TestSocket: @unchecked Sendable {
  public enum End: Equatable, Sendable {
    case finished
    case reset
    /// No byte arrived before the deadline.
    case nothing
  }

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
    init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
  }

  /// The seconds after which a call without a deadline of its own returns.
  public static let patience = 30.0

  public let fd: Int32
  /// Bytes that have been received and not been taken yet.
  private(set) var rest: ArraySlice<UInt8> = []
  /// Locked while the descriptor is closed or shut down, so that neither happens to one that the kernel has reused.
  private let opened = Mutex(true)

  public init(fd: Int32) {
    self.fd = fd
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  deinit { close() }

  /// - Parameter receiveBuffer: the size of the kernel's buffer in bytes; a small one makes a slow reader slow at once.
  public static func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> TestSocket {
    let socket = TestSocket(fd: try open())
    if let receiveBuffer { socket.set(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
    let result = withLoopback(port) { Glibc.connect(socket.fd, $0, $1) }
    guard result == 0 else { throw Failure("connect to port \(port)") }
    return socket
  }

  /// A listening socket; port 0 takes a free one.
  public static func listening(port: UInt16 = 0, backlog: Int32 = 1024) throws -> TestSocket {
    let socket = TestSocket(fd: try open())
    socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
    guard withLoopback(port, { bind(socket.fd, $0, $1) }) == 0 else { throw Failure("bind port \(port)") }
    guard listen(socket.fd, backlog) == 0 else { throw Failure("listen") }
    return socket
  }

  /// The port of this side.
  public var port: UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Waits for the next connection; nil once the listener was shut down.
  public func accept() -> TestSocket? {
    while true {
      let accepted = Glibc.accept(fd, nil, nil)
      if accepted >= 0 {
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return TestSocket(fd: accepted)
      }
      if errno != EINTR && errno != ECONNABORTED { return nil }
    }
  }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  // MARK: Sending

  /// Sends everything; false when the peer is gone or takes nothing until the deadline.
  @discardableResult
  public func send(_ bytes: [UInt8], until deadline: Double = MonotonicTime.now + patience) -> Bool {
    var offset = 0
    while offset < bytes.count {
      guard wait(for: Int16(POLLOUT), until: deadline) else { return false }
      let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
      let count = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress! + offset, $0.count - offset, flags) }
      if count > 0 {
        offset += count
      } else if errno != EAGAIN && errno != EINTR {
        return false
      }
    }
    return true
  }

  @discardableResult
  public func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Ends the sending side (FIN).
  public func finish() { shutdown(fd, Int32(SHUT_WR)) }

  /// Sends and ends in one step, so that the last bytes and the FIN arrive together.
  public func sendAndFinish(_ text: String) {
    set(Int32(IPPROTO_TCP), TCP_CORK, 1)
    send(text)
    finish()
  }

  /// Whether this side has not closed the socket.
  public var isOpen: Bool { opened.withLock { $0 } }

  /// Ends both directions and wakes a thread that waits on the socket. Any thread may call it.
  public func shutDown() {
    opened.withLock { isOpen in
      if isOpen { shutdown(fd, Int32(SHUT_RDWR)) }
    }
  }

  /// Closes with RST instead of FIN.
  public func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    close()
  }

  public func close() {
    opened.withLock { isOpen in
      if isOpen { Glibc.close(fd) }
      isOpen = false
    }
  }

  // MARK: Receiving

  /// Returns bytes that have arrived; empty at the end or on a reset; nil when nothing arrives until the deadline.
  public func receive(until deadline: Double) -> [UInt8]? {
    let end = rest.isEmpty ? fill(until: deadline) : nil
    return end == .nothing ? nil : take(rest.count)
  }

  /// Receives that many bytes and passes them on piece by piece.
  ///
  /// - Throws: `MessageError`.
  public func receive(_ count: Int, within seconds: Double, _ piece: (ArraySlice<UInt8>) -> Void) throws {
    let deadline = MonotonicTime.now + seconds
    var left = count
    while left > 0 {
      if rest.isEmpty { try more(until: deadline) }
      let bytes = take(min(left, rest.count))
      piece(bytes[...])
      left -= bytes.count
    }
  }

  /// Whether there is something to read within the time, the end included.
  public func isReadable(within milliseconds: Int32) -> Bool {
    !rest.isEmpty || wait(for: Int16(POLLIN), until: MonotonicTime.now + Double(milliseconds) / 1000)
  }

  /// Whether the peer has sent its FIN or a reset and nothing before it. Does not wait.
  public var hasEnd: Bool {
    guard rest.isEmpty else { return false }
    var byte: UInt8 = 0
    let count = recv(fd, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
  }

  /// Returns everything up to the end, and how it ended.
  public func receiveAll() -> (text: String, end: End) {
    while true {
      if let end = fill() {
        return (String(decoding: take(rest.count), as: UTF8.self), end)
      }
    }
  }

  /// Returns that many bytes, fewer at the end.
  public func receive(_ count: Int) -> [UInt8] {
    while rest.count < count, fill() == nil {}
    return take(min(count, rest.count))
  }

  /// Removes that many bytes from `rest` and returns them.
  func take(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// Waits for further bytes.
  func more(until deadline: Double) throws {
    guard let end = fill(until: deadline) else { return }
    throw end == .nothing ? MessageError.timeout : .closed
  }

  /// Appends what arrives next to `rest`. Returns the end instead, when it is reached.
  func fill(until deadline: Double = MonotonicTime.now + patience) -> End? {
    let limit = 262_144
    while true {
      guard wait(for: Int16(POLLIN), until: deadline) else { return .nothing }
      var result = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
        result = recv(fd, buffer.baseAddress, limit, Int32(MSG_DONTWAIT))
        count = max(result, 0)
      }
      if result > 0 {
        if rest.isEmpty { rest = bytes[...] } else { rest += bytes }
        return nil
      }
      if result == 0 { return .finished }
      if errno != EINTR && errno != EAGAIN { return .reset }
    }
  }

  /// Whether the socket is ready before the deadline. A broken socket is ready: the call that follows finds out.
  private func wait(for events: Int16, until deadline: Double) -> Bool {
    var entry = pollfd(fd: fd, events: events, revents: 0)
    while true {
      let left = max(deadline - MonotonicTime.now, 0)
      let result = poll(&entry, 1, Int32((min(left, 3600) * 1000).rounded(.up)))
      if result > 0 { return true }
      if result == 0, MonotonicTime.now >= deadline { return false }
      if result < 0, errno != EINTR { return true }
    }
  }

  private static func open() throws -> Int32 {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard fd >= 0 else { throw Failure("socket") }
    return fd
  }

  private static func withLoopback<T>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
