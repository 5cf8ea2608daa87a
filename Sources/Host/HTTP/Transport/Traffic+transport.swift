extension Traffic {
  /// Counts the bytes that a socket has sent.
  @inline(__always)
  func counted(sent outcome: Transport.Outcome) -> Transport.Outcome {
    if case .bytes(let count) = outcome { add(sent: count) }
    return outcome
  }

  /// Counts the bytes that a socket has received into a pipe.
  func counted(received outcome: Transport.Outcome) -> Transport.Outcome {
    if case .bytes(let count) = outcome { add(received: count) }
    return outcome
  }

  /// Counts the bytes that were read from a socket.
  @inline(__always)
  func counted(_ read: Transport.Read) -> Transport.Read {
    if case .bytes(let count, _) = read { add(received: count) }
    return read
  }
}
