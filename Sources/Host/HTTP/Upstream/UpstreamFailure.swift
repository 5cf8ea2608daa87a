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
    let (code, message): (Code, String) =
      switch failure.kind {
      case .unreachable: (.unreachable, "The upstream could not be reached.")
      case .timeout: (.timeout, "The upstream did not answer in time.")
      case .malformed: (.malformed, "The upstream's answer could not be understood.")
      case .cancelled: (.cancelled, "The caller left.")
      }
    self.init(code, message, detail: failure.detail, mayHaveActed: failure.requestLeft)
  }
}
