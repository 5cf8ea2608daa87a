import Synchronization

/// A row of counters. Used on any thread, without locks.
///
/// `@unchecked Sendable`: the storage is allocated once and never moves, and its elements are atomics.
final class CounterRow: @unchecked Sendable {
  let count: Int
  private let storage: UnsafeMutablePointer<Atomic<UInt64>>

  init(_ count: Int) {
    self.count = count
    storage = .allocate(capacity: count)
    for index in 0..<count { (storage + index).initialize(to: Atomic(0)) }
  }

  deinit {
    storage.deinitialize(count: count)
    storage.deallocate()
  }

  func add(_ amount: UInt64 = 1, at index: Int) {
    guard index >= 0, index < count else { return }
    storage[index].wrappingAdd(amount, ordering: .relaxed)
  }

  subscript(index: Int) -> UInt64 {
    index >= 0 && index < count ? storage[index].load(ordering: .relaxed) : 0
  }
}

/// A number that may rise and fall. Used on any thread.
final class Gauge: Sendable {
  private let number: Atomic<Int>

  init(_ start: Int = 0) { number = Atomic(start) }

  func add(_ amount: Int) { number.wrappingAdd(amount, ordering: .relaxed) }
  func set(_ value: Int) { number.store(value, ordering: .relaxed) }
  var value: Int { number.load(ordering: .relaxed) }
}

/// The bytes that a group of sockets has received and sent. Used on any thread.
final class Traffic: Sendable {
  private let receivedBytes = Atomic<UInt64>(0)
  private let sentBytes = Atomic<UInt64>(0)

  func add(received count: Int) { receivedBytes.wrappingAdd(UInt64(max(count, 0)), ordering: .relaxed) }
  func add(sent count: Int) { sentBytes.wrappingAdd(UInt64(max(count, 0)), ordering: .relaxed) }
  var received: UInt64 { receivedBytes.load(ordering: .relaxed) }
  var sent: UInt64 { sentBytes.load(ordering: .relaxed) }
}

/// A histogram of durations with buckets from 0.1 ms to 30 s. Used on any thread.
final class DurationHistogram: Sendable {
  /// The upper bounds as the label `le` shows them, and in nanoseconds.
  static let bounds: [(label: String, nanoseconds: Int64)] = [
    ("0.0001", 100_000), ("0.00025", 250_000), ("0.0005", 500_000), ("0.001", 1_000_000), ("0.0025", 2_500_000),
    ("0.005", 5_000_000), ("0.01", 10_000_000), ("0.025", 25_000_000),
    ("0.05", 50_000_000), ("0.1", 100_000_000), ("0.25", 250_000_000), ("0.5", 500_000_000), ("1", 1_000_000_000),
    ("2.5", 2_500_000_000), ("5", 5_000_000_000), ("10", 10_000_000_000), ("30", 30_000_000_000),
  ]

  /// One counter for each bucket, one for durations above all bounds, then the sum in nanoseconds.
  private let row = CounterRow(DurationHistogram.bounds.count + 2)

  func observe(nanoseconds: Int64) {
    let duration = max(nanoseconds, 0)
    var bucket = 0
    while bucket < DurationHistogram.bounds.count, duration > DurationHistogram.bounds[bucket].nanoseconds {
      bucket += 1
    }
    row.add(at: bucket)
    row.add(UInt64(duration), at: DurationHistogram.bounds.count + 1)
  }

  /// The cumulative counts of the buckets, as Prometheus defines them. The last one is the total.
  var cumulative: [UInt64] {
    var total: UInt64 = 0
    return (0...DurationHistogram.bounds.count).map { index in
      total &+= row[index]
      return total
    }
  }

  var sumNanoseconds: UInt64 { row[DurationHistogram.bounds.count + 1] }
}
