import Foundation
import TestSupport

/// A TCP socket on the loopback interface with deadlines for everything. Closed with the object.
final class Socket: @unchecked Sendable {
  // Shared between threads by its users' agreement: one reads and writes, another may at most ask `shutDown`.
  // `isClosed` is touched by `close` only, which the one who reads calls.
  let descriptor: Int32
  private var isClosed = false

  struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
  }

  init(descriptor: Int32) {
    self.descriptor = descriptor
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close() }

  static func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> Socket {
    let socket = Socket(descriptor: try open())
    if var receiveBuffer {
      setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    let result = withLoopback(port) { Glibc.connect(socket.descriptor, $0, $1) }
    guard result == 0 else { throw Failure("connect to port \(port)") }
    return socket
  }

  /// A listening socket; port 0 takes a free one.
  static func listen(port: UInt16 = 0, backlog: Int32 = 1024) throws -> Socket {
    let socket = Socket(descriptor: try open())
    var on: Int32 = 1
    setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard withLoopback(port, { bind(socket.descriptor, $0, $1) }) == 0 else { throw Failure("bind port \(port)") }
    guard Glibc.listen(socket.descriptor, backlog) == 0 else { throw Failure("listen") }
    return socket
  }

  var port: UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  /// The next connection, or nil when the socket was shut down.
  func accept() -> Socket? {
    while true {
      let accepted = Glibc.accept(descriptor, nil, nil)
      if accepted >= 0 {
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return Socket(descriptor: accepted)
      }
      if errno != EINTR && errno != ECONNABORTED { return nil }
    }
  }

  /// Bytes that have arrived; empty at the end or on a reset; nil when nothing came until the deadline.
  func receive(until deadline: Double, limit: Int = 262_144) -> [UInt8]? {
    guard wait(for: Int16(POLLIN), until: deadline) else { return nil }
    return [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      count = max(recv(descriptor, buffer.baseAddress, limit, 0), 0)
    }
  }

  /// Sends everything; false when the other side is gone or takes nothing until the deadline.
  @discardableResult
  func send(_ bytes: [UInt8], until deadline: Double = MonotonicTime.now + 20) -> Bool {
    var offset = 0
    while offset < bytes.count {
      guard wait(for: Int16(POLLOUT), until: deadline) else { return false }
      let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
      let count = bytes.withUnsafeBytes { raw in
        Glibc.send(descriptor, raw.baseAddress.map { $0 + offset }, raw.count - offset, flags)
      }
      if count > 0 {
        offset += count
      } else if errno != EAGAIN && errno != EINTR {
        return false
      }
    }
    return true
  }

  /// The other side has closed or reset, as far as this side knows. Unread bytes hide it.
  var isPeerGone: Bool {
    guard wait(for: Int16(POLLIN), until: 0) else { return false }
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) <= 0
  }

  /// Reads to the end, and throws it away; whether that end was a reset.
  func endsWithReset(within seconds: Double = 10) -> Bool {
    let deadline = MonotonicTime.now + seconds
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while wait(for: Int16(POLLIN), until: deadline) {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return count < 0 && errno == ECONNRESET }
    }
    return false
  }

  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Ends both directions, and wakes whoever waits on it.
  func shutDown() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Closes with RST instead of FIN.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    close()
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    Glibc.close(descriptor)
  }

  /// Ready within the deadline? A broken socket is ready: the call that follows says how.
  private func wait(for events: Int16, until deadline: Double) -> Bool {
    var entry = pollfd(fd: descriptor, events: events, revents: 0)
    while true {
      let left = max(deadline - MonotonicTime.now, 0)
      let result = poll(&entry, 1, Int32(min(left, 3600) * 1000))
      if result > 0 { return true }
      if result == 0, MonotonicTime.now >= deadline { return false }
      if result < 0, errno != EINTR { return true }
    }
  }

  private static func open() throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Failure("socket") }
    return descriptor
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
