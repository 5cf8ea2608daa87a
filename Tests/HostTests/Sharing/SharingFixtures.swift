import AdapterAPI

@testable import Host

/// Requests, responses and policies of the sharing tests.
enum Shared {
  static func request(
    _ body: String = #"{"codes":["P"]}"#, _ operation: AdapterAPI.Operation = .values, fields: String = "",
    traceFields: String = ""
  ) -> AdapterRequest {
    AdapterRequest(
      operation: operation, fields: Fields(checkedBlock: Array(fields.utf8)),
      traceFields: Fields(checkedBlock: Array(traceFields.utf8)), body: Array(body.utf8))
  }

  static func key(_ body: String = "{}", adapter: Int = 1) -> ReadKey { ReadKey(adapter: adapter, request(body)) }

  static func response(_ text: String = #"{"code":200}"#) -> AdapterResponse { AdapterResponse(json: Array(text.utf8)) }

  /// Times are in seconds.
  static func policy(cache: Int64 = 0, stale: Int64 = 0, settle: Int64 = 1) -> SharingPolicy {
    SharingPolicy(cache: cache * second, stale: stale * second, settle: settle * second)
  }

  static let second: Int64 = 1_000_000_000

  static func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

  /// Of an upstream without writes.
  static let untouched = WriteEpoch.View(number: 0, settledFrom: Instant(nanoseconds: .min))

  static func call(
    _ key: ReadKey, epoch: UInt64 = 0, began: Double = 0, _ policy: SharingPolicy = Shared.policy()
  ) -> InFlightCall {
    InFlightCall(key, epoch: epoch, began: at(began), policy: policy)
  }
}

extension AdapterResponse {
  var text: String { String(decoding: body.prefix, as: UTF8.self) }
}

extension Waiters {
  var all: [Waiter] {
    var list: [Waiter] = []
    forEach { list.append($0) }
    return list
  }
}
