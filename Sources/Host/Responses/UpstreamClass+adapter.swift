import AdapterAPI

extension UpstreamClass {
  init(_ verdict: AdapterResponse.Verdict) { self = verdict == .ok ? .ok : .businessError }

  /// Nil for codes that say nothing about the upstream.
  init?(_ code: AdapterError.Code) {
    switch code {
    case .tokenRejected, .refreshRejected: self = .rejectedToken
    case .timeout: self = .timeout
    case .unreachable: self = .connect
    case .malformed: self = .malformed
    case .overloaded, .budgetSpent: self = .shed
    case .badRequest, .unsupported, .cancelled: return nil
    }
  }
}

extension WriteOutcome {
  /// Nil for a write that neither went upstream nor failed there: the caller's mistake, no permit, no call left, the caller has left,
  /// or a token that was refused, after which the write is repeated.
  init?(_ error: AdapterError) {
    if error.mayHaveActed {
      self = .unknown
    } else {
      switch error.code {
      case .refreshRejected, .unreachable, .timeout, .malformed: self = .failed
      case .tokenRejected, .badRequest, .unsupported, .cancelled, .overloaded, .budgetSpent: return nil
      }
    }
  }
}
