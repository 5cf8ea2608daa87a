import AdapterAPI
import Synchronization

/// One adapter's call budget, shared by all loops. It survives a reload that does not change its limits.
final class BudgetKeeper: Sendable {
  let limits: CallBudget.Limits
  private let budget: Mutex<CallBudget>

  init(_ limits: CallBudget.Limits) {
    self.limits = limits
    budget = Mutex(CallBudget(limits))
  }

  /// Takes a call from the budget. `now` is in nanoseconds of the monotonic clock.
  ///
  /// - Throws: `.budgetSpent` with the time after which a call may be made.
  func take(_ purpose: CallBudget.Purpose, at now: Int64 = System.monotonic()) throws(AdapterError) {
    let ready = budget.withLock { budget in
      let ready = budget.ready(for: purpose, at: now)
      if ready <= now { budget.spend(at: now) }
      return ready
    }
    guard ready > now else { return }
    throw AdapterError(
      .budgetSpent, "The gateway has used up its calls to the upstream for now; try again later.",
      detail: "the adapter's 'budget'", retryAfter: .nanoseconds(ready - now))
  }

  /// Tells whether a call may be made now. A later `take` may still fail, when another thread was faster.
  func allows(_ purpose: CallBudget.Purpose, at now: Int64 = System.monotonic()) -> Bool {
    budget.withLock { $0.ready(for: purpose, at: now) <= now }
  }

  /// Returns the calls that are left in each period; nil for a period without a limit.
  func remaining(at now: Int64 = System.monotonic()) -> (minute: Int?, hour: Int?, day: Int?) {
    budget.withLock { budget in
      (
        budget.remaining(inSeconds: 60, at: now), budget.remaining(inSeconds: 3600, at: now),
        budget.remaining(inSeconds: 86400, at: now)
      )
    }
  }

  /// Counts a call that is never refused: a token exchange.
  func count(at now: Int64 = System.monotonic()) { budget.withLock { $0.spend(at: now) } }

  /// Gives a failed call back to the budget, if it certainly did not leave this process.
  func failed(_ error: AdapterError, at now: Int64 = System.monotonic()) {
    switch error.code {
    case .overloaded, .badRequest, .unsupported: budget.withLock { $0.giveBack(at: now) }
    case .budgetSpent, .cancelled, .tokenRejected, .refreshRejected, .unreachable, .timeout, .malformed: break
    }
  }
}
