import CLinux
import Glibc

/// The seam between a connection and its socket: bytes in, bytes out, end. TLS will stand behind the same calls, so that no
/// state machine learns of it; only the two that move bytes through a pipe are for plain sockets alone.
struct Transport {
  enum Outcome: Equatable {
    case bytes(Int)
    /// Nothing now; the loop will say when.
    case wouldBlock
    /// The peer's sending side ended (reading only).
    case end
    /// The connection is broken; errno.
    case failed(Int32)
  }

  let fd: Int32

  init(fd: Int32) { self.fd = fd }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
    while true {
      let count = recv(fd, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .failed(errno)
    }
  }

  /// Neither bytes nor an end nor an error wait to be read.
  var isQuiet: Bool {
    var byte: UInt8 = 0
    return recv(fd, &byte, 1, PG_MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    written { send(fd, bytes.baseAddress, bytes.count, PG_MSG_NOSIGNAL) }
  }

  /// The three blocks in one call, as far as they are taken.
  func write(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer
  ) -> Outcome {
    written {
      pg_send_parts(
        fd, first.baseAddress, first.count, second.baseAddress, second.count, third.baseAddress, third.count)
    }
  }

  /// Moves received bytes into an empty pipe.
  func move(into pipe: Pipe, atMost count: Int) -> Outcome {
    let outcome = written { pg_splice(fd, pipe.input, count) }
    return outcome == .bytes(0) ? .end : outcome
  }

  /// Moves bytes out of a pipe that holds so many.
  func move(from pipe: Pipe, count: Int) -> Outcome { written { pg_splice(pipe.output, fd, count) } }

  private func written(_ call: () -> Int) -> Outcome {
    while true {
      let count = call()
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .failed(errno)
    }
  }

  /// Says that nothing more will be sent; the peer may still send.
  func finishWriting() { _ = shutdown(fd, Int32(SHUT_WR)) }

  func close() { System.close(fd) }

  /// Ends with a reset, so that a peer in the middle of a body can't take the cut for the end.
  func abort() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }
}
