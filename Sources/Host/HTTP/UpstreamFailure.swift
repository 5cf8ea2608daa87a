import AdapterAPI

/// Why an exchange with an upstream ended without an answer.
struct UpstreamFailure: Error {
  enum Kind { case unreachable, timeout, malformed, cancelled }

  var kind: Kind
  var detail: String
  /// A byte of the request may have reached the upstream.
  var requestLeft: Bool
  /// A byte of the answer came.
  var answerBegan = false
}

extension AdapterError {
  init(_ failure: UpstreamFailure) {
    switch failure.kind {
    case .unreachable: self.init(.unreachable, "The upstream could not be reached.")
    case .timeout: self.init(.timeout, "The upstream did not answer in time.")
    case .malformed: self.init(.malformed, "The upstream's answer could not be understood.")
    case .cancelled: self.init(.cancelled, "The caller left.")
    }
    detail = failure.detail
    mayHaveActed = failure.requestLeft
  }
}
