import AdapterAPI

/// A header field of requests that the gateway looks at. A further one needs a case, and its line in `row`.
enum KnownField: UInt8, CaseIterable {
  case host, contentLength, transferEncoding, expect, connection, authorization
  case contentType, contentEncoding, accept, property, requestID, traceparent, tracestate
  /// The credentials of a front's callers.
  case token, appID

  /// The treatment of a second field of the same name.
  enum Repetition {
    /// The request is refused, with this sentence.
    case refused(StaticString)
    /// The first field counts: of a list over several fields, the first part is valid by itself.
    case firstCounts
    /// Both fields are ignored.
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
    case .contentEncoding: ("content-encoding", .allCount, false)
    case .accept: (ContractField.accept.name, .firstCounts, true)
    case .property: (ContractField.property.name, .refused("There are two prop fields; send one."), true)
    case .requestID: (ContractField.requestID.name, .firstCounts, true)
    case .traceparent: (ContractField.traceparent.name, .noneCounts, true)
    case .tracestate: (ContractField.tracestate.name, .firstCounts, true)
    case .token: ("token", .noneCounts, false)
    case .appID: ("appid", .noneCounts, false)
    }
  }

  var repetition: Repetition { row.repetition }
  /// The field goes to the upstream, unless `Connection` names it.
  var isPassedOn: Bool { row.isPassedOn }

  // MARK: lookup

  private static let longestName = 31

  /// Finds known fields by name. Made once and never freed, so that a lookup needs no bounds check and no reference count.
  ///
  /// `@unchecked Sendable`: the memory is written by `init` only.
  struct Table: @unchecked Sendable {
    private struct Entry {
      let name: UnsafePointer<UInt8>
      let field: KnownField
    }
    /// In the order of the names' lengths.
    private let entries: UnsafeMutablePointer<Entry>
    /// The index of the first entry whose name is at least that long.
    private let starts: UnsafeMutablePointer<UInt8>

    fileprivate init() {
      let sorted = allCases.sorted { $0.row.name.utf8CodeUnitCount < $1.row.name.utf8CodeUnitCount }
      entries = .allocate(capacity: sorted.count)
      for (index, field) in sorted.enumerated() {
        (entries + index).initialize(to: Entry(name: field.row.name.utf8Start, field: field))
      }
      starts = .allocate(capacity: longestName + 2)
      for length in 0...longestName + 1 {
        let start = sorted.firstIndex { $0.row.name.utf8CodeUnitCount >= length } ?? sorted.count
        (starts + length).initialize(to: UInt8(start))
      }
    }

    /// Returns the field of that name, without regard to case (RFC 9110 §5.1).
    @inline(__always)
    func find(_ name: UnsafePointer<UInt8>, _ count: Int) -> KnownField? {
      guard count <= longestName else { return nil }
      var index = starts[count]
      let end = starts[count &+ 1]
      while index < end {
        let entry = entries + Int(index)
        if HeaderScan.matches(name, count, entry.pointee.name) { return entry.pointee.field }
        index &+= 1
      }
      return nil
    }
  }

  static let table = Table()

  /// A set of known fields, of which there may be sixteen: a connection that waits for a request holds two sets.
  struct Set {
    private var bits: UInt16 = 0

    @inline(__always) var isEmpty: Bool { bits == 0 }

    @inline(__always)
    func contains(_ field: KnownField) -> Bool { bits & (1 &<< UInt16(field.rawValue)) != 0 }

    /// Returns true when the field is new.
    @inline(__always) @discardableResult
    mutating func insert(_ field: KnownField) -> Bool {
      defer { bits |= 1 &<< UInt16(field.rawValue) }
      return !contains(field)
    }
  }
}
