import CLinux
import Glibc

/// The seam between a connection and its socket: bytes in, bytes out, end. TLS will implement the same calls, except the two that
/// move bytes through a pipe, which need a plain socket.
struct Transport {
  /// The result of reading.
  enum Read: Equatable {
    /// `isDrained`: the socket had no more bytes. An event follows when more arrive (epoll(7)), but none for an end that has arrived
    /// already.
    case bytes(Int, isDrained: Bool)
    /// No byte can be moved now; an event follows.
    case wouldBlock
    /// The peer's sending side has ended.
    case end
    /// The connection is broken; `errno`.
    case failed(Int32)
  }

  /// The result of writing, or of moving bytes.
  enum Outcome: Equatable {
    case bytes(Int)
    /// No byte can be moved now; an event follows.
    case wouldBlock
    /// The peer's sending side has ended (only when bytes are moved into a pipe).
    case end
    /// The connection is broken; `errno`.
    case failed(Int32)
  }

  let fd: Int32

  init(fd: Int32) { self.fd = fd }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Read {
    while true {
      let count = recv(fd, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .bytes(count, isDrained: count < buffer.count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .failed(errno)
    }
  }

  /// No bytes, no end and no error are waiting to be read.
  var isQuiet: Bool {
    var byte: UInt8 = 0
    return recv(fd, &byte, 1, PG_MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    written { send(fd, bytes.baseAddress, bytes.count, PG_MSG_NOSIGNAL) }
  }

  /// Writes the three blocks in one call, as far as the socket takes them.
  func write(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer
  ) -> Outcome {
    written {
      pg_send_parts(
        fd, first.baseAddress, first.count, second.baseAddress, second.count, third.baseAddress, third.count)
    }
  }

  /// Moves at most `count` received bytes into an empty pipe.
  func move(into pipe: Pipe, atMost count: Int) -> Outcome {
    let outcome = written { pg_splice(fd, pipe.input, count) }
    return outcome == .bytes(0) ? .end : outcome
  }

  /// Moves bytes out of a pipe that holds `count` of them.
  func move(from pipe: Pipe, count: Int) -> Outcome { written { pg_splice(pipe.output, fd, count) } }

  /// Acknowledges the received bytes now, and later ones without delay until bytes are sent (tcp(7), TCP_QUICKACK).
  func acknowledge() {
    var one: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_QUICKACK, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  private func written(_ call: () -> Int) -> Outcome {
    while true {
      let count = call()
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .failed(errno)
    }
  }

  /// Ends the sending side; the peer may still send.
  func finishWriting() { _ = shutdown(fd, Int32(SHUT_WR)) }

  func close() { System.close(fd) }

  /// Closes with a reset, so that a peer does not take a part of a body for the whole.
  func abort() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }
}
