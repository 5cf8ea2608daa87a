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
