import AdapterAPI
import Synchronization

/// One adapter's budget of calls, shared by all loops. It outlives a reload that leaves its numbers alone.
final class BudgetKeeper: Sendable {
  let limits: CallBudget.Limits
  private let budget: Mutex<CallBudget>

  init(_ limits: CallBudget.Limits) {
    self.limits = limits
    budget = Mutex(CallBudget(limits))
  }

  /// Takes a call out of the budget.
  ///
  /// - Throws: `.budgetSpent` with the time after which there is one.
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

  /// A call could be made now; taking one afterwards may still find that others were faster.
  func allows(_ purpose: CallBudget.Purpose, at now: Int64 = System.monotonic()) -> Bool {
    budget.withLock { $0.ready(for: purpose, at: now) <= now }
  }

  /// A call that is never refused: the exchange of a token.
  func count(at now: Int64 = System.monotonic()) { budget.withLock { $0.spend(at: now) } }

  /// A call that was wanted has failed. Where it did not leave this process for certain, it costs nothing.
  func failed(_ error: AdapterError, at now: Int64 = System.monotonic()) {
    switch error.code {
    case .overloaded, .badRequest, .unsupported: budget.withLock { $0.giveBack(at: now) }
    case .budgetSpent, .cancelled, .tokenRejected, .refreshRejected, .unreachable, .timeout, .malformed: break
    }
  }
}
