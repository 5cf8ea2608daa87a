import AdapterAPI
import Synchronization

/// Hears what other processes say about tokens (NOTIFY), on a thread and a connection of its own.
///
/// It makes things faster and nothing more: hints get lost while it is not connected, and behind a pooler there may be
/// none at all. So it fails in silence, and tries again.
final class PostgresListener: Sendable {
  typealias Handler = @Sendable (_ adapter: String, _ version: Int64) -> Void

  private let endpoint: PostgresEndpoint
  private let schema: String
  private let threads: PostgresThreads
  private let quit = PostgresSignal()
  private let state = Mutex<(handler: Handler?, isRunning: Bool, isOver: Bool)>((nil, false, false))

  private static let firstDelay = Duration.milliseconds(100)
  private static let longestDelay = Duration.seconds(2)

  init(_ endpoint: PostgresEndpoint, schema: String, _ threads: PostgresThreads) {
    self.endpoint = endpoint
    self.schema = schema
    self.threads = threads
  }

  func listen(_ handler: @escaping Handler) {
    state.withLock { state in
      state.handler = handler
      if state.isRunning || state.isOver { return }
      state.isRunning = threads.start { [self] in run() }
    }
  }

  func close() {
    state.withLock { state in
      state.handler = nil
      state.isOver = true
    }
    quit.raise()
  }

  private func run() {
    var delay = Self.firstDelay
    repeat {
      do throws(StoreError) {
        let connection = try endpoint.connect(quit)
        connection.deadline = .current + PostgresEndpoint.patience
        try connection.simple("LISTEN \(TokenTable.channel)")
        delay = Self.firstDelay
        connection.deadline = .distantFuture
        while true {
          while let payload = connection.notification() { tell(payload) }
          try connection.receive()
        }
      } catch {
        // Said where it matters: by the lanes, to their callers.
      }
      if quit.wait(until: .current + delay) { return }
      delay = min(delay * 2, Self.longestDelay)
    } while true
  }

  private func tell(_ payload: String) {
    guard let hint = Self.parse(payload, schema: schema) else { return }
    state.withLock { $0.handler }?(hint.adapter, hint.version)
  }

  /// `schema adapter version`; nil for what is not exactly that, or of another schema.
  static func parse(_ payload: String, schema: String) -> (adapter: String, version: Int64)? {
    guard payload.hasPrefix(schema + " ") else { return nil }
    let words = payload.dropFirst(schema.count + 1).split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, !words[0].isEmpty, let version = Int64(words[1]), version > 0, String(version) == words[1]
    else { return nil }
    return (String(words[0]), version)
  }
}

extension PostgresConnection {
  /// What came in already.
  func notification() -> String? {
    guard let notice = libpq.notifies(handle) else { return nil }
    defer { libpq.freemem(notice) }
    return notice.pointee.extra.map { String(cString: $0) }
  }
}
