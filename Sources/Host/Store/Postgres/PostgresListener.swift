import AdapterAPI
import Synchronization

/// Receives token notifications of other processes (LISTEN), on its own thread and connection.
///
/// Notifications only save time: they get lost while the listener is not connected, and some poolers pass none on. So
/// the listener reports no errors, and reconnects.
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
        connection.deadline = .current + PostgresEndpoint.connectTimeout
        try connection.simple("LISTEN \(TokenTable.channel)")
        delay = Self.firstDelay
        connection.deadline = .distantFuture
        while true {
          while let payload = connection.notification() { tell(payload) }
          try connection.receive()
        }
      } catch {
        // The pools report the error to their callers.
      }
      if quit.wait(until: .current + delay) { return }
      delay = min(delay * 2, Self.longestDelay)
    } while true
  }

  private func tell(_ payload: String) {
    guard let notification = Self.parse(payload, schema: schema) else { return }
    state.withLock { $0.handler }?(notification.adapter, notification.version)
  }

  /// Parses `schema adapter version`. Returns nil for any other text, and for another schema.
  static func parse(_ payload: String, schema: String) -> (adapter: String, version: Int64)? {
    guard payload.hasPrefix(schema + " ") else { return nil }
    let words = payload.dropFirst(schema.count + 1).split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, !words[0].isEmpty, let version = Int64(words[1]), version > 0, String(version) == words[1]
    else { return nil }
    return (String(words[0]), version)
  }
}

extension PostgresConnection {
  /// Returns a notification that has already been received.
  func notification() -> String? {
    guard let notice = libpq.notifies(handle) else { return nil }
    defer { libpq.freemem(notice) }
    return notice.pointee.extra.map { String(cString: $0) }
  }
}
