import AdapterAPI
import Synchronization

/// An HTTP client without a network: a closure answers, and every request is kept.
public final class ScriptedHTTPClient: HTTPClient {
  public typealias Answer = @Sendable (HTTPRequest) throws(AdapterError) -> HTTPResponse

  private struct State {
    var requests: [HTTPRequest] = []
    var queue: [Answer] = []
  }

  private let state = Mutex(State())
  private let otherwise: Answer

  /// - Parameter otherwise: answers whenever nothing is queued.
  public init(otherwise: @escaping Answer = { _ throws(AdapterError) in throw AdapterError(.unreachable, "Not scripted.") }) {
    self.otherwise = otherwise
  }

  public var requests: [HTTPRequest] { state.withLock { $0.requests } }

  /// Queues answers, one for each of the next requests.
  public func script(_ answers: Answer...) { state.withLock { $0.queue += answers } }

  public func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    let answer = state.withLock { state in
      state.requests.append(request)
      return state.queue.isEmpty ? otherwise : state.queue.removeFirst()
    }
    // A real client always gives others their turn here.
    await Task.yield()
    return try answer(request)
  }
}

extension HTTPResponse {
  /// An answer with a body in memory.
  public static func whole(
    _ body: String, status: Int = 200, type: String = "application/json", isEncoded: Bool = false
  ) -> HTTPResponse {
    HTTPResponse(
      status: status, fields: Fields(checkedBlock: Array("Content-Type: \(type)\r\n".utf8)), body: .bytes(Array(body.utf8)),
      isEncoded: isEncoded)
  }
}

/// The rest of a body, from memory; tells whether it was cancelled.
public final class ScriptedStream: BodyStream {
  private let pieces: Mutex<[[UInt8]]>
  private let cancelled = Atomic<Bool>(false)

  public init(_ pieces: [[UInt8]]) { self.pieces = Mutex(pieces) }

  public var remaining: Int? { nil }
  public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  public func next() async throws(AdapterError) -> [UInt8]? {
    pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }

  public func cancel() { cancelled.store(true, ordering: .relaxed) }
}
