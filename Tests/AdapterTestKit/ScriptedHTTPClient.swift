import AdapterAPI
import Synchronization

/// An HTTP client without a network: closures give the responses, and every request is recorded.
public final class ScriptedHTTPClient: HTTPClient {
  public typealias Respond = @Sendable (HTTPRequest) -> HTTPResponse

  private enum Step {
    case respond(Respond)
    case failure(AdapterError)
  }

  private struct State {
    var requests: [HTTPRequest] = []
    var steps: [Step] = []
  }

  private let state = Mutex(State())
  private let otherwise: Respond?

  /// - Parameter otherwise: Responds when nothing is queued; nil makes the upstream unreachable then.
  public init(otherwise: Respond? = nil) { self.otherwise = otherwise }

  /// The requests so far.
  public var requests: [HTTPRequest] { state.withLock { $0.requests } }

  /// Queues a response for the next request that has none yet.
  public func script(_ respond: @escaping Respond) { state.withLock { $0.steps.append(.respond(respond)) } }

  /// Queues a failure for the next request that has no response yet.
  public func script(failure: AdapterError) { state.withLock { $0.steps.append(.failure(failure)) } }

  public func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    let step = state.withLock { state in
      state.requests.append(request)
      return state.steps.isEmpty ? otherwise.map { Step.respond($0) } : state.steps.removeFirst()
    }
    // A real client always suspends here.
    await Task.yield()
    switch step {
    case .respond(let respond): return respond(request)
    case .failure(let error): throw error
    case nil: throw AdapterError(.unreachable, "The upstream could not be reached.", detail: "nothing scripted")
    }
  }
}

extension HTTPResponse {
  /// A response with a body in memory.
  public static func whole(
    _ body: String, status: Int = 200, type: String = "application/json", isEncoded: Bool = false
  ) -> HTTPResponse {
    HTTPResponse(
      status: status, fields: Fields(checkedBlock: Array("Content-Type: \(type)\r\n".utf8)),
      body: .bytes(Array(body.utf8)),
      isEncoded: isEncoded)
  }
}

/// The rest of a body, from memory. Records whether it was cancelled.
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
