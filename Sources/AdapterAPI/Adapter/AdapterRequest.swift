/// A caller's request as an adapter gets it, after the checks that every vendor needs.
public struct AdapterRequest: Sendable {
  public let operation: Operation
  /// The caller's fields that go upstream (`ContractField`): first those that identify the request, then those that trace it.
  public let allFields: Fields
  /// The length in bytes of the identifying fields, at the beginning of `allFields`.
  private let identifyingCount: Int
  /// One JSON object (RFC 8259) as the caller wrote it: valid UTF-8, depth at most 64, no duplicate key at the top level.
  /// Empty only for `alarms` and `alarmConfigs`, where it stands for `{}`.
  public let body: [UInt8]

  /// - Parameters:
  ///   - fields: The fields that may change the response.
  ///   - traceFields: The fields that name this request only.
  public init(operation: Operation, fields: Fields = Fields(), traceFields: Fields = Fields(), body: [UInt8]) {
    var all = fields
    if !traceFields.isEmpty { all.append(traceFields) }
    self.init(operation: operation, allFields: all, identifyingCount: fields.bytes.count, body: body)
  }

  /// A request whose fields stand in one block already.
  ///
  /// - Parameter identifyingCount: The length in bytes of the identifying fields, at the beginning of `allFields`.
  public init(operation: Operation, allFields: Fields, identifyingCount: Int, body: [UInt8]) {
    precondition(identifyingCount >= 0 && identifyingCount <= allFields.bytes.count)
    self.operation = operation
    self.allFields = allFields
    self.identifyingCount = identifyingCount
    self.body = body
  }

  /// The lines of the fields that may change the response, without a copy. Two requests with the same operation, body and
  /// identifying fields have the same response.
  public var identifyingFields: ArraySlice<UInt8> { allFields.bytes[..<identifyingCount] }

  /// Returns the same request with another body.
  public func withBody(_ body: [UInt8]) -> AdapterRequest {
    AdapterRequest(operation: operation, allFields: allFields, identifyingCount: identifyingCount, body: body)
  }
}

/// The fields of a caller's request that the contract forwards to an adapter: the first three identify the request, the last three
/// trace it and never change the response.
public enum ContractField: Sendable, CaseIterable {
  case contentType, accept
  /// Selects another property of the same points, for `values` and `history`.
  case property
  /// W3C Trace Context.
  case traceparent, tracestate
  /// The caller's own, or one that the host made.
  case requestID

  /// The name in lower case.
  @inlinable public var name: StaticString {
    switch self {
    case .contentType: "content-type"
    case .accept: "accept"
    case .property: "prop"
    case .traceparent: "traceparent"
    case .tracestate: "tracestate"
    case .requestID: "x-request-id"
    }
  }
}

/// The circumstances of one call. A class, so that passing it on through a call's functions costs one reference.
public final class Call: Sendable {
  /// A token that is valid for this call; nil when the adapter uses none (`usesToken == false`).
  public let token: Token?
  /// The end of the time that the caller's route gives the call.
  public let deadline: Instant
  /// The request's id, for log lines.
  public let requestID: String

  public init(token: Token?, deadline: Instant, requestID: String = "") {
    self.token = token
    self.deadline = deadline
    self.requestID = requestID
  }
}
