import AdapterAPI
import Testing

/// The rules that every adapter must keep, whatever its upstream.
///
/// An adapter's tests run it check by check:
///
/// ```swift
/// @Test(arguments: AdapterConformance.Check.allCases)
/// func `the adapter conforms`(_ check: AdapterConformance.Check) async throws {
///   try await AdapterConformance(…).run(check)
/// }
/// ```
///
/// A raw adapter talks to a simulation of its upstream (`ScriptedHTTPClient`). Each check makes a new pair.
public struct AdapterConformance: Sendable {
  /// One new adapter with its log and client.
  public struct Subject: Sendable {
    public var adapter: any Adapter
    public var log: CollectingLog
    /// The client of a raw adapter; nil for an adapter without HTTP.
    public var client: ScriptedHTTPClient?

    public init(adapter: any Adapter, log: CollectingLog, client: ScriptedHTTPClient? = nil) {
      self.adapter = adapter
      self.log = log
      self.client = client
    }
  }

  /// One rule.
  public enum Check: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case writesTheEnvelope = "every declared operation responds with the contract's envelope"
    case refusesUndeclaredOperations = "an undeclared operation is unsupported"
    case obtainsTokens = "authorizing gives a token that calls accept, refreshing gives another one"
    case reportsRejectedTokens = "a token that the upstream does not know is rejected, and nothing is done"
    case reportsRejectedRefreshTokens = "a refresh token that the upstream does not know is rejected"
    case servesConcurrentCalls = "a hundred concurrent calls all get a response"
    case survivesHostileBodies = "a hostile body is refused or passed on, without a crash"
    case passesBytes = "a raw adapter changes no byte of a body, in either direction"
    case listsObjects = "a listing ends, has each object once, and only objects that can be read"
    case survivesHostileCursors = "a cursor that no page gave is refused, without a crash"
    case keepsSecrets = "no error and no log line holds a secret"
    case describesSettings = "each setting is described once, and the type has a name"

    public var testDescription: String { rawValue }
  }

  let isRaw: Bool
  /// For each operation a body whose response has code 200.
  let bodies: [Operation: String]
  /// Texts that no error and no log line may have.
  let secrets: [String]
  let make: @Sendable () throws -> Subject

  /// - Parameters:
  ///   - isRaw: Whether the adapter is a `RawAdapter`.
  ///   - bodies: For each declared operation a body whose response has code 200.
  ///   - secrets: Texts that no error and no log line may have, beside the tokens.
  ///   - make: Makes a new adapter.
  public init(
    isRaw: Bool, bodies: [Operation: String], secrets: [String] = [], make: @escaping @Sendable () throws -> Subject
  ) {
    self.isRaw = isRaw
    self.bodies = bodies
    self.secrets = secrets
    self.make = make
  }

  /// Runs one check and records an issue for each broken rule.
  public func run(_ check: Check) async throws {
    let subject = try make()
    switch check {
    case .writesTheEnvelope: try await writesTheEnvelope(subject)
    case .refusesUndeclaredOperations: await refusesUndeclaredOperations(subject)
    case .obtainsTokens: try await obtainsTokens(subject)
    case .reportsRejectedTokens: try await reportsRejectedTokens(subject)
    case .reportsRejectedRefreshTokens: try await reportsRejectedRefreshTokens(subject)
    case .servesConcurrentCalls: try await servesConcurrentCalls(subject)
    case .survivesHostileBodies: try await survivesHostileBodies(subject)
    case .passesBytes: try await passesBytes(subject)
    case .listsObjects: try await listsObjects(subject)
    case .survivesHostileCursors: try await survivesHostileCursors(subject)
    case .keepsSecrets: try await keepsSecrets(subject)
    case .describesSettings: describesSettings(subject)
    }
    await subject.adapter.shutdown()
  }

  /// The declared operations, with a body for each.
  func samples(_ subject: Subject) -> [(operation: Operation, body: String)] {
    Operation.allCases.filter { type(of: subject.adapter).operations.contains($0) }.compactMap { operation in
      guard let body = bodies[operation] else {
        Issue.record("no sample body for the declared operation '\(operation.rawValue)'")
        return nil
      }
      return (operation, body)
    }
  }

  func call(_ subject: Subject) async throws -> Call {
    let adapter = subject.adapter
    let token = adapter.usesToken ? try await adapter.refresh(nil, deadline: .distantFuture) : nil
    return Call(token: token, deadline: .distantFuture, requestID: "conformance")
  }

  /// Returns the error of a call; nil when there was a response.
  func error(_ subject: Subject, _ operation: Operation, _ body: String, _ call: Call) async -> AdapterError? {
    await adapterError {
      try await subject.adapter.perform(AdapterRequest(operation: operation, body: Array(body.utf8)), call)
    }
  }
}

/// Returns the error of an adapter's call; nil when it succeeds.
public func adapterError<Result>(_ call: () async throws -> Result) async -> AdapterError? {
  do {
    _ = try await call()
  } catch let error as AdapterError {
    return error
  } catch {
    Issue.record(error)
  }
  return nil
}
