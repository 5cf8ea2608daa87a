/// Who goes first where calls have to wait for an upstream that takes only so many at once.
///
/// A free place goes to the first priority in which anybody waits, within it by order of arrival.
public enum Priority: Int, Sendable, CaseIterable, Comparable {
  /// What a person waits for, or a building depends on: writes, alarms, and the token exchange, without which nobody gets on.
  case writes
  /// What is shown now.
  case values
  /// What may take long and can wait: history, and lists of everything that the upstream has.
  case history

  public static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }
}

extension Operation {
  /// The priority of its calls. Alarms go with the writes: there are few of them, and somebody acts on them.
  public var priority: Priority {
    switch self {
    case .set, .forceSet, .alarms, .alarmConfigs: .writes
    case .values: .values
    case .history: .history
    }
  }
}
