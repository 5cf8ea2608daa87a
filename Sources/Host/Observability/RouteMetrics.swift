import Synchronization

/// The metrics of one configured path, or of `unmatched`. Used on any thread. Obtained once, when the routes are built.
final class RouteMetrics: Sendable {
  /// The method as a label. Unknown methods are `other`, because each distinct label value creates a time series.
  enum Method: Int, Sendable, CaseIterable {
    case get, head, post, put, patch, delete, options, other

    var label: String { Method.labels[rawValue] }
    private static let labels = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"]

    /// Methods are case-sensitive (RFC 9110 §9.1).
    init(_ name: some Collection<UInt8>) {
      self = Method.allCases.first { $0 != .other && $0.label.utf8.elementsEqual(name) } ?? .other
    }

    init(_ name: String) { self.init(name.utf8) }
  }

  /// The statuses that this gateway and most upstreams use. Each has a counter without a lock.
  static let commonStatuses = [
    200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422, 429, 431, 499, 500, 501, 502, 503,
    504, 505,
  ]

  struct Series: Hashable {
    let method: Int
    let status: Int
  }

  /// The path as the configuration has it.
  let route: String
  let duration = DurationHistogram()
  private let common = CounterRow(Method.allCases.count * RouteMetrics.commonStatuses.count)
  /// The counts of all other statuses, at most 1,000 for each method.
  private let rare = Mutex<[Series: UInt64]>([:])

  init(route: String) { self.route = route }

  /// Counts one request that has its response.
  func record(_ method: Method, status: Int, nanoseconds: Int64) {
    duration.observe(nanoseconds: nanoseconds)
    if let index = RouteMetrics.slot[status] {
      common.add(at: method.rawValue * RouteMetrics.commonStatuses.count + index)
    } else {
      let series = Series(method: method.rawValue, status: min(max(status, 0), 999))
      rare.withLock { $0[series, default: 0] &+= 1 }
    }
  }

  /// Returns every series with a count above 0, sorted.
  func counts() -> [(method: Method, status: Int, count: UInt64)] {
    var all: [(method: Method, status: Int, count: UInt64)] = []
    let others = rare.withLock { $0 }
    for method in Method.allCases {
      for (index, status) in RouteMetrics.commonStatuses.enumerated() {
        let count = common[method.rawValue * RouteMetrics.commonStatuses.count + index]
        if count > 0 { all.append((method, status, count)) }
      }
      for (series, count) in others where series.method == method.rawValue {
        all.append((method, series.status, count))
      }
    }
    return all.sorted { ($0.method.rawValue, $0.status) < ($1.method.rawValue, $1.status) }
  }

  /// Maps a status to its index among the common ones without a search.
  private struct Slots: Sendable {
    private var places = [Int8](repeating: -1, count: 600)
    init() { for (index, status) in RouteMetrics.commonStatuses.enumerated() { places[status] = Int8(index) } }
    subscript(status: Int) -> Int? {
      guard status >= 0, status < places.count, places[status] >= 0 else { return nil }
      return Int(places[status])
    }
  }
  private static let slot = Slots()
}
