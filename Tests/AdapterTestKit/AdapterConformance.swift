import AdapterAPI
import Testing

/// What every adapter must keep to, whatever its upstream.
///
/// An adapter's tests run it check by check:
///
/// ```swift
/// @Test(arguments: AdapterConformance.Check.allCases)
/// func `keeps to the contract`(_ check: AdapterConformance.Check) async throws {
///   try await AdapterConformance(…).run(check)
/// }
/// ```
///
/// A raw adapter stands before a look-alike of its upstream (`ScriptedHTTPClient`); a check makes a new pair each time.
public struct AdapterConformance: Sendable {
  /// One adapter, fresh, with what it stands before.
  public struct Subject: Sendable {
    public var adapter: any Adapter
    public var log: CollectingLog
    /// What a raw adapter's requests went through; nil for an adapter without HTTP.
    public var client: ScriptedHTTPClient?

    public init(adapter: any Adapter, log: CollectingLog, client: ScriptedHTTPClient? = nil) {
      self.adapter = adapter
      self.log = log
      self.client = client
    }
  }

  public enum Check: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case answersInTheEnvelope = "every declared operation answers with the contract's envelope"
    case refusesTheUndeclared = "an operation that is not declared is unsupported"
    case obtainsTokens = "authorizing gives a token that calls accept, renewing gives another one"
    case saysWhenATokenIsRefused = "a token that the upstream does not know is rejected, and nothing else happens"
    case saysWhenRenewingIsRefused = "a refresh token that the upstream does not know is rejected"
    case servesManyAtOnce = "a hundred calls at once are all answered"
    case survivesHostileBodies = "a body that makes no sense is refused or passed on, and never a crash"
    case leavesBytesAlone = "a raw adapter changes no byte of a body, in either direction"
    case listsWhatItHas = "a listing ends, names each object once, and what it names can be read"
    case survivesHostileCursors = "a cursor that no page gave is refused, and never a crash"
    case keepsSecrets = "no error and no log line holds a secret"
    case describesItsSettings = "settings are described once each, and the type has a name"

    public var testDescription: String { rawValue }
  }

  let isRaw: Bool
  /// A body that the operation answers with code 200.
  let bodies: [Operation: String]
  /// What must never be seen.
  let secrets: [String]
  let make: @Sendable () throws -> Subject

  public init(
    isRaw: Bool, bodies: [Operation: String], secrets: [String] = [], make: @escaping @Sendable () throws -> Subject
  ) {
    self.isRaw = isRaw
    self.bodies = bodies
    self.secrets = secrets
    self.make = make
  }

  public func run(_ check: Check) async throws {
    let subject = try make()
    switch check {
    case .answersInTheEnvelope: try await answersInTheEnvelope(subject)
    case .refusesTheUndeclared: await refusesTheUndeclared(subject)
    case .obtainsTokens: try await obtainsTokens(subject)
    case .saysWhenATokenIsRefused: try await saysWhenATokenIsRefused(subject)
    case .saysWhenRenewingIsRefused: try await saysWhenRenewingIsRefused(subject)
    case .servesManyAtOnce: try await servesManyAtOnce(subject)
    case .survivesHostileBodies: try await survivesHostileBodies(subject)
    case .leavesBytesAlone: try await leavesBytesAlone(subject)
    case .listsWhatItHas: try await listsWhatItHas(subject)
    case .survivesHostileCursors: try await survivesHostileCursors(subject)
    case .keepsSecrets: try await keepsSecrets(subject)
    case .describesItsSettings: describesItsSettings(subject)
    }
    await subject.adapter.shutdown()
  }

  /// The operations to try, with a body for each.
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

  /// The error that a call ended with; nil when it was answered.
  func error(
    _ subject: Subject, _ operation: Operation, _ body: [UInt8], _ call: Call
  ) async -> AdapterError? {
    do throws(AdapterError) {
      _ = try await subject.adapter.perform(AdapterRequest(operation: operation, body: body), call)
      return nil
    } catch {
      return error
    }
  }
}
