import AdapterAPI
import Synchronization

/// The rest of an upstream's response, pulled by its reader or relayed to the client. It returns the request's permit at its end.
/// The connection is touched on its loop only: a reader elsewhere moves there first.
final class UpstreamBodyStream: BodyStream {
  private let connection: LoopBound<UpstreamConnection>
  private let exchange: Int
  /// -1 where it is unknown. Counted here, since a reader on another loop can't ask the connection.
  private let left: Atomic<Int>
  private let permits: any PermitPool
  private let priority: Priority
  private let holdsPermit = Atomic<Bool>(true)

  /// - Parameter priority: The priority of the request, which holds a permit of `pool.requests`.
  init(_ connection: UpstreamConnection, exchange: Int, remaining: Int?, priority: Priority) {
    self.connection = LoopBound(connection, on: connection.loop)
    self.exchange = exchange
    left = Atomic(remaining ?? -1)
    permits = connection.pool.requests
    self.priority = priority
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
      guard let piece else {
        releasePermit()
        return nil
      }
      if remaining != nil { left.subtract(piece.count, ordering: .relaxed) }
      return piece
    case .failure(let failure):
      releasePermit()
      throw AdapterError(failure)
    }
  }

  /// Moves the rest of the body to the client without passing it through the program.
  ///
  /// - Returns: `.unfinished` when the rest must be read piece by piece.
  func relay(to client: Exchange) async -> Relay.End {
    // Only between two sockets of the same loop.
    guard connection.loop === client.loop else { return .unfinished }
    let end = await connection.value.relay(exchange: exchange, to: client)
    if case .unfinished = end { return end }
    releasePermit()
    return end
  }

  func cancel() {
    let connection = self.connection
    let exchange = self.exchange
    connection.loop.execute { connection.value.cancelStream(of: exchange) }
    releasePermit()
  }

  private func releasePermit() {
    if holdsPermit.exchange(false, ordering: .relaxed) { permits.release(priority) }
  }

  deinit { cancel() }
}
