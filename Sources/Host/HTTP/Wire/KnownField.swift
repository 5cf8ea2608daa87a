import AdapterAPI

/// A header field of requests that the gateway looks at. A further one needs a case, and its line in `row`.
enum KnownField: UInt8, CaseIterable {
  case host, contentLength, transferEncoding, expect, connection, authorization
  case contentType, accept, property, requestID, traceparent, tracestate

  /// The treatment of a second field of the same name.
  enum Repetition {
    /// The request is refused, with this sentence.
    case refused(StaticString)
    /// The first field counts: of a list over several fields, the first part is valid by itself.
    case firstCounts
    /// Neither field counts.
    case noneCounts
    /// Each field is looked at.
    case allCount
  }

  private typealias Row = (name: StaticString, repetition: Repetition, isPassedOn: Bool)

  /// The name in lower case, the treatment of repetitions, and whether `Connection` can withhold the field from the upstream.
  @inline(__always)
  private var row: Row {
    switch self {
    case .host: ("host", .refused("There are two Host fields; send one."), false)
    case .contentLength: ("content-length", .refused("There are two Content-Length fields; send one."), false)
    case .transferEncoding: ("transfer-encoding", .refused("There are two Transfer-Encoding fields; send one."), false)
    case .expect: ("expect", .allCount, false)
    case .connection: ("connection", .allCount, false)
    case .authorization: ("authorization", .refused("There are two Authorization fields; send one."), false)
    case .contentType:
      (ContractField.contentType.name, .refused("There are two Content-Type fields; send one."), false)
    case .accept: (ContractField.accept.name, .firstCounts, true)
    case .property: (ContractField.property.name, .refused("There are two prop fields; send one."), true)
    case .requestID: (ContractField.requestID.name, .firstCounts, true)
    case .traceparent: (ContractField.traceparent.name, .noneCounts, true)
    case .tracestate: (ContractField.tracestate.name, .firstCounts, true)
    }
  }

  @inline(__always) var repetition: Repetition { row.repetition }
  /// The field goes to the upstream, unless `Connection` names it.
  var isPassedOn: Bool { row.isPassedOn }

  // MARK: lookup

  private static let longestName = 31
  private static let none = UInt8.max
  private static let names = allCases.map { $0.row.name }
  /// For each length, the first field whose name has it.
  private static let firstOfLength: [UInt8] = (0...longestName).map { length in
    names.firstIndex { $0.utf8CodeUnitCount == length }.map { UInt8($0) } ?? none
  }
  /// For each field, the next one whose name is as long.
  private static let nextOfLength: [UInt8] = names.indices.map { index in
    names.indices.first { $0 > index && names[$0].utf8CodeUnitCount == names[index].utf8CodeUnitCount }
      .map { UInt8($0) } ?? none
  }

  /// Returns the field of that name, without regard to case (RFC 9110 §5.1).
  @inline(__always)
  static func find(_ name: UnsafePointer<UInt8>, _ count: Int) -> KnownField? {
    guard count <= longestName else { return nil }
    var index = firstOfLength[count]
    while index != none {
      if HeaderScan.matches(name, count, names[Int(index)]) { return KnownField(rawValue: index) }
      index = nextOfLength[Int(index)]
    }
    return nil
  }

  /// A set of known fields.
  struct Set {
    private var bits: UInt32 = 0

    @inline(__always) var isEmpty: Bool { bits == 0 }

    @inline(__always)
    func contains(_ field: KnownField) -> Bool { bits & (1 &<< UInt32(field.rawValue)) != 0 }

    /// Returns true when the field is new.
    @inline(__always) @discardableResult
    mutating func insert(_ field: KnownField) -> Bool {
      defer { bits |= 1 &<< UInt32(field.rawValue) }
      return !contains(field)
    }
  }
}
