import AdapterAPI
import Synchronization

/// One upstream call that several requests may wait for. It belongs to none of them.
final class Flight: Sendable {
  let key: ReadKey
  /// The number of writes when it was begun.
  let epoch: UInt64
  /// Not later than the call.
  let began: Instant
  let policy: SharingPolicy
  private let run = Mutex(Run())

  private struct Run {
    var cancel: (@Sendable () -> Void)?
    var isCancelled = false
    var charge: MemoryCharge?
  }

  init(_ key: ReadKey, epoch: UInt64, began: Instant, policy: SharingPolicy) {
    self.key = key
    self.epoch = epoch
    self.began = began
    self.policy = policy
  }

  /// How to end its call, once it runs.
  func onCancel(_ cancel: @escaping @Sendable () -> Void) {
    let isCancelled = run.withLock { run in
      run.cancel = cancel
      return run.isCancelled
    }
    if isCancelled { cancel() }
  }

  /// The request's bytes, which counted as long as its caller was there, count for the flight from now on.
  func outlivesCaller(_ memory: MemoryBudget) {
    run.withLock { run in
      if run.charge == nil { run.charge = MemoryCharge(key.size, to: memory) }
    }
  }

  /// Nobody needs its answer.
  func cancel() {
    let cancel = run.withLock { run in
      run.isCancelled = true
      return run.cancel
    }
    cancel?()
  }
}

/// How a flight ended for one of those who waited.
enum Landing: Sendable {
  case answer(HeldAnswer)
  case failed(GatewayError)
  /// The answer could not be shared: make a call of your own.
  case alone
}
