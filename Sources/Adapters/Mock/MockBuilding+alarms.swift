import AdapterAPI

// Alarms: in each slot of six hours each alarm point may have one, which depends on the seed alone. While it is active, the point's
// value is above its limit.
extension MockBuilding {
  private static let slot: Int64 = 6 * 3600
  /// The longest alarm in seconds. It may reach into the next slot but never beyond.
  private static let longest: UInt64 = 7800

  private struct Event {
    let slot: Int64
    let start: Int64
    let end: Int64
    /// The excess of the value over the limit, 0 to 1.
    let excess: Double
  }

  private func event(_ index: Int, slot: Int64) -> Event? {
    let salt = points[index].salt
    let key = UInt64(bitPattern: slot)
    guard MockNoise.share(salt, key) < 0.12 else { return nil }
    let hash = MockNoise.hash(salt ^ 0xa1a7_3000, key)
    let start = slot * Self.slot + Int64(hash % 14_400)
    let length = 600 + Int64((hash >> 20) % (Self.longest - 600))
    return Event(slot: slot, start: start, end: start + length, excess: Double(hash >> 44) / Double(1 << 20))
  }

  /// Returns how far an alarm point is above its limit, 0 to 1; nil while it has no alarm.
  func alarmExcess(_ index: Int, at time: Int64) -> Double? {
    // Only the points whose alarms are listed, so that values and alarms agree.
    guard let last = alarmPoints.last, index <= last else { return nil }
    let slot = time / Self.slot
    for slot in [slot, slot - 1] {
      if let event = event(index, slot: slot), event.start <= time, time < event.end { return event.excess }
    }
    return nil
  }

  /// Returns the alarms that were active at some moment from `start` to `end`, in the order of their beginnings. An active alarm
  /// has no end.
  func alarms(from start: Int64, to end: Int64, now: Int64) -> [PointAlarm] {
    guard start <= end else { return [] }
    var alarms: [(start: Int64, alarm: PointAlarm)] = []
    for slot in max(0, start / Self.slot - 1)...max(0, end / Self.slot) {
      for index in alarmPoints {
        guard let rule = points[index].alarm, let event = event(index, slot: slot), event.start <= end,
          event.end > start
        else { continue }
        let isActive = event.end > now
        alarms.append(
          (
            event.start,
            PointAlarm(
              alarmID: "\(slot)-\(index)", pointID: points[index].id, content: rule.content, level: rule.level,
              status: isActive ? "active" : "cleared", start: PointTime(seconds: event.start),
              end: isActive ? nil : PointTime(seconds: event.end))
          ))
      }
    }
    return alarms.sorted { ($0.start, $0.alarm.alarmID) < ($1.start, $1.alarm.alarmID) }.map(\.alarm)
  }

  var alarmConfigs: [PointAlarmConfig] {
    alarmPoints.compactMap { index in
      let point = points[index]
      return point.alarm.map { rule in
        PointAlarmConfig(
          configID: "\(index)", pointID: point.id, name: rule.content, level: rule.level, high: rule.high,
          deadband: rule.deadband, enabled: true)
      }
    }
  }
}
