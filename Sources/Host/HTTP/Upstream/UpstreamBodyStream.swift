import AdapterAPI
import Synchronization

/// A body that can go from its socket to the client's without passing through the program.
protocol RelayedStream: BodyStream {
  /// Moves the rest of the body to the client.
  ///
  /// - Returns: `.unfinished` when the rest must be read piece by piece.
  func relay(to exchange: Exchange) async -> Relay.End
}

/// The rest of an upstream's response, pulled by its reader. The connection is touched on its loop only: a reader elsewhere
/// moves there first.
final class UpstreamBodyStream: RelayedStream {
  private let connection: LoopBound<UpstreamConnection>
  private let exchange: Int
  /// -1 where it is unknown. Counted here, since a reader on another loop can't ask the connection.
  private let left: Atomic<Int>

  init(_ connection: UpstreamConnection, exchange: Int, remaining: Int?) {
    self.connection = LoopBound(connection, on: connection.loop)
    self.exchange = exchange
    left = Atomic(remaining ?? -1)
  }

  var remaining: Int? {
    let left = left.load(ordering: .relaxed)
    return left < 0 ? nil : left
  }

  func next() async throws(AdapterError) -> [UInt8]? {
    let connection = self.connection
    let result: Result<[UInt8]?, UpstreamFailure> =
      connection.loop.isCurrent
      ? await connection.value.nextPiece(of: exchange)
      : await withTaskExecutorPreference(connection.loop) { await connection.value.nextPiece(of: exchange) }
    switch result {
    case .success(let piece):
      if let piece, remaining != nil { left.subtract(piece.count, ordering: .relaxed) }
      return piece
    case .failure(let failure): throw AdapterError(failure)
    }
  }

  func relay(to client: Exchange) async -> Relay.End {
    // Only between two sockets of the same loop.
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
