import AdapterAPI
import Synchronization

/// An HTTP client without a network: a closure answers, and every request is kept.
public final class ScriptedHTTPClient: HTTPClient {
  public typealias Answer = @Sendable (HTTPRequest) -> HTTPResponse

  private enum Step {
    case answer(Answer)
    case failure(AdapterError)
  }

  private struct State {
    var requests: [HTTPRequest] = []
    var steps: [Step] = []
  }

  private let state = Mutex(State())
  private let otherwise: Answer?

  /// - Parameter otherwise: answers whenever nothing is queued; nil: the upstream cannot be reached then.
  public init(otherwise: Answer? = nil) { self.otherwise = otherwise }

  public var requests: [HTTPRequest] { state.withLock { $0.requests } }

  /// Queues an answer for the next request that has none yet.
  public func script(_ answer: @escaping Answer) { state.withLock { $0.steps.append(.answer(answer)) } }

  /// Queues a failure likewise.
  public func script(failure: AdapterError) { state.withLock { $0.steps.append(.failure(failure)) } }

  public func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    let step = state.withLock { state in
      state.requests.append(request)
      return state.steps.isEmpty ? otherwise.map { Step.answer($0) } : state.steps.removeFirst()
    }
    // A real client always gives others their turn here.
    await Task.yield()
    switch step {
    case .answer(let answer): return answer(request)
    case .failure(let error): throw error
    case nil: throw AdapterError(.unreachable, "The upstream could not be reached.", detail: "nothing scripted")
    }
  }
}

extension HTTPResponse {
  /// An answer with a body in memory.
  public static func whole(
    _ body: String, status: Int = 200, type: String = "application/json", isEncoded: Bool = false
  ) -> HTTPResponse {
    HTTPResponse(
      status: status, fields: Fields(checkedBlock: Array("Content-Type: \(type)\r\n".utf8)),
      body: .bytes(Array(body.utf8)),
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
