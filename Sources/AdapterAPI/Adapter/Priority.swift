/// The order in which calls get the permits of an upstream that takes a limited number of calls at once.
///
/// A free permit goes to the first priority that has a waiter, and within it by order of arrival.
public enum Priority: Int, Sendable, CaseIterable, Comparable {
  /// Calls that a person waits for or a building depends on: writes, alarms, and the token exchange, which every call needs.
  case writes
  /// The values that are displayed now.
  case values
  /// Calls that may take long: history, and listings of all points.
  case history

  public static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }
}

extension Operation {
  /// The priority of its calls. Alarms have the priority of writes: they are few, and people act on them.
  public var priority: Priority {
    switch self {
    case .set, .forceSet, .alarms, .alarmConfigs: .writes
    case .values: .values
    case .history: .history
    }
  }
}
