import AdapterAPI
import AdapterTestKit
import Mock

/// A mock adapter with its clock, and functions that parse its responses.
struct House {
  let adapter: Mock
  let clock: TestClock

  init(_ settings: [(String, String)] = [], clock: TestClock = TestClock()) throws {
    self.clock = clock
    adapter = try AdapterMaking.make(Mock.self, settings, clock: clock)
  }

  func call() async throws -> Call {
    Call(token: try await adapter.refresh(nil, deadline: .distantFuture), deadline: .distantFuture)
  }

  /// Returns the error of an exchange of this token; nil when it succeeds.
  func refreshError(_ token: Token?) async -> AdapterError? {
    await adapterError { try await adapter.refresh(token, deadline: .distantFuture) }
  }

  func json(_ operation: AdapterAPI.Operation, _ body: String, prop: String? = nil) async throws -> JSONValue {
    var fields = Fields()
    if let prop { try fields.append("prop", prop) }
    let response = try await adapter.perform(
      AdapterRequest(operation: operation, fields: fields, body: Array(body.utf8)), try await call())
    return try JSONValue(parsing: response.body.prefix)
  }

  func value(_ code: String) async throws -> Double? {
    try await first(.values, #"{"codes":["\#(code)"]}"#)?["value"]?.double
  }

  /// Returns the first point of a response.
  func first(_ operation: AdapterAPI.Operation, _ body: String, prop: String? = nil) async throws -> JSONValue? {
    try await json(operation, body, prop: prop)["ResultPointObjArr"]?.array?.first
  }

  /// Returns the samples of the first point of a response.
  func history(_ body: String) async throws -> [JSONValue] { try await first(.history, body)?["data"]?.array ?? [] }

  func write(_ code: String, _ value: String, force: Bool = false) async throws -> JSONValue {
    try await json(force ? .forceSet : .set, #"{"aryPoints":[{"pointId":"\#(code)","value":\#(value)}]}"#)
  }
}
