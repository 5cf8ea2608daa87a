import AdapterAPI

/// A body that can go from its socket to the client's without passing through the program.
protocol RelayedStream: BodyStream {
  /// Moves the rest, or `.unfinished`: what is left is to be read piece by piece.
  func relay(to exchange: Exchange) async -> Relay.End
}

/// The rest of an upstream's answer, pulled by whoever sends it on.
/// The connection is touched on its loop only: a reader elsewhere moves there first.
final class UpstreamBodyStream: RelayedStream {
  private let connection: LoopBound<UpstreamConnection>
  private let exchange: Int
  let remaining: Int?

  init(_ connection: UpstreamConnection, exchange: Int, remaining: Int?) {
    self.connection = LoopBound(connection, on: connection.loop)
    self.exchange = exchange
    self.remaining = remaining
  }

  func next() async throws(AdapterError) -> [UInt8]? {
    let connection = self.connection
    let result: Result<[UInt8]?, UpstreamFailure> =
      connection.loop.isCurrent
      ? await connection.value.nextPiece(of: exchange)
      : await withTaskExecutorPreference(connection.loop) { await connection.value.nextPiece(of: exchange) }
    switch result {
    case .success(let piece): return piece
    case .failure(let failure): throw AdapterError(failure)
    }
  }

  func relay(to client: Exchange) async -> Relay.End {
    // Both sockets on one loop, or not at all.
    guard connection.loop === client.loop else { return .unfinished }
    return await connection.value.relay(exchange: exchange, to: client)
  }

  func cancel() {
    let connection = self.connection
    let exchange = self.exchange
    connection.loop.execute { connection.value.cancelStream(of: exchange) }
  }

  deinit { cancel() }
}
