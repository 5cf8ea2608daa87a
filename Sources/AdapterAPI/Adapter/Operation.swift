/// What a caller asks of an upstream. The raw value is the word in YAML, in metrics and in logs.
public enum Operation: String, Sendable, Hashable, CaseIterable {
  case values
  case history
  case set
  case forceSet = "force-set"
  case alarms
  case alarmConfigs = "alarm-configs"

  /// A write changes the building: it is never sent twice, and never given up silently once a byte of it left.
  public var isWrite: Bool { self == .set || self == .forceSet }
}
