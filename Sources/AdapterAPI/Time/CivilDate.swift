/// A date of the proleptic Gregorian calendar.
public struct CivilDate: Sendable, Hashable {
  public var year: Int
  /// 1 to 12.
  public var month: Int
  /// 1 to 31.
  public var day: Int

  public init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// The date that many days after 1970-01-01.
  ///
  /// Computed in years that begin on 1 March, so that the leap day ends a year, and in eras of 400 years.
  public init(daysSinceEpoch days: Int64) {
    let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    month = Int(shifted < 10 ? shifted + 3 : shifted - 9)
    year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    day = Int(dayOfYear - (153 * shifted + 2) / 5 + 1)
  }

  /// The number of days from 1970-01-01 to this date; negative before.
  public var daysSinceEpoch: Int64 {
    let (era, yearOfEra) = floorDivide(Int64(month <= 2 ? year - 1 : year), 400)
    let dayOfYear = Int64((153 * ((month + 9) % 12) + 2) / 5 + day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// Returns the number of days of a month; nil when `month` is not 1 to 12.
  public static func length(ofMonth month: Int, year: Int) -> Int? {
    switch month {
    case 1, 3, 5, 7, 8, 10, 12: 31
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: nil
    }
  }

  /// Returns the day of the week, 0 for Monday to 6 for Sunday.
  public static func weekday(daysSinceEpoch days: Int64) -> Int {
    // 1970-01-01 was a Thursday.
    Int(floorDivide(days + 3, 7).remainder)
  }
}

/// Divides by a positive divisor, rounding down; the remainder is never negative.
public func floorDivide(_ number: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
  let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
