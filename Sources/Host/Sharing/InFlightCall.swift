import AdapterAPI
import Synchronization

/// One upstream call that several identical requests may wait for. It belongs to none of them.
final class InFlightCall: Sendable {
  let key: ReadKey
  /// The upstream's write epoch when the call was begun.
  let epoch: UInt64
  /// Not later than the call's first byte.
  let began: Instant
  /// Of the route that began it.
  let policy: SharingPolicy
  private let state = Mutex(State())

  private struct State {
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

  /// Sets the closure that ends the running call. Calls it at once when the call has been cancelled already.
  func onCancel(_ cancel: @escaping @Sendable () -> Void) {
    let isCancelled = state.withLock { state in
      state.cancel = cancel
      return state.isCancelled
    }
    if isCancelled { cancel() }
  }

  /// Ends the call: no request needs its response.
  func cancel() {
    let cancel = state.withLock { state in
      state.isCancelled = true
      return state.cancel
    }
    cancel?()
  }

  /// Counts the request's bytes, which counted for its caller so far, for the call from now on.
  func outlivesCaller(_ memory: MemoryBudget) {
    state.withLock { state in
      if state.charge == nil { state.charge = MemoryCharge(key.size, to: memory) }
    }
  }
}
