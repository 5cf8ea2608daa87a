import AdapterAPI

/// The rest of an upstream's answer, pulled by whoever sends it on.
/// The connection is touched on its loop only: a reader elsewhere moves there first.
final class UpstreamBodyStream: BodyStream {
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

  func cancel() {
    let connection = self.connection
    let exchange = self.exchange
    connection.loop.execute { connection.value.cancelStream(of: exchange) }
  }

  deinit { cancel() }
}
