import AdapterAPI
import Synchronization

/// A streamed response body that returns the request's permit at its end.
final class PermitHoldingStream: RelayedStream {
  private let stream: any BodyStream
  private let permits: any PermitPool
  private let priority: Priority
  private let isHeld = Atomic<Bool>(true)

  init(_ stream: any BodyStream, of permits: any PermitPool, _ priority: Priority) {
    self.stream = stream
    self.permits = permits
    self.priority = priority
  }

  var remaining: Int? { stream.remaining }

  func next() async throws(AdapterError) -> [UInt8]? {
    do {
      let piece = try await stream.next()
      if piece == nil { release() }
      return piece
    } catch {
      release()
      throw error
    }
  }

  func relay(to exchange: Exchange) async -> Relay.End {
    guard let stream = stream as? any RelayedStream else { return .unfinished }
    let end = await stream.relay(to: exchange)
    if case .unfinished = end { return end }
    release()
    return end
  }

  func cancel() {
    stream.cancel()
    release()
  }

  private func release() {
    if isHeld.exchange(false, ordering: .relaxed) { permits.release(priority) }
  }

  deinit { release() }
}
