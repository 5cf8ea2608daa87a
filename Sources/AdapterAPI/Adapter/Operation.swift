/// An operation of the contract. The raw value is its name in YAML, in metrics and in logs.
public enum Operation: String, Sendable, Hashable, CaseIterable {
  case values
  case history
  case set
  case forceSet = "force-set"
  case alarms
  case alarmConfigs = "alarm-configs"

  /// Whether the operation changes the building. A write is never sent twice, and never cancelled once it has begun.
  public var isWrite: Bool { self == .set || self == .forceSet }
}
