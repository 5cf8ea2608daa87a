import AdapterAPI

/// The reason why an exchange with an upstream ended without a response.
struct UpstreamFailure: Error, Equatable {
  enum Kind { case unreachable, timeout, malformed, cancelled }

  var kind: Kind
  /// For the log.
  var detail: String
  /// A byte of the request may have reached the upstream.
  var requestLeft: Bool
  /// A byte of the response has come.
  var responseBegan = false

  /// The caller was cancelled before a byte of the request left.
  static let callerLeft = unsent(.cancelled, "the caller left")
  /// The connection ended while it was idle.
  static let hadEnded = unsent(.unreachable, "the pooled connection had ended")
  /// All connections were in use until the deadline.
  static let noConnectionFree = unsent(.timeout, "no connection became free in time")
  static let cutOff = malformed("the response was cut off")

  /// No byte of the request left.
  static func unsent(_ kind: Kind, _ detail: String) -> UpstreamFailure {
    UpstreamFailure(kind: kind, detail: detail, requestLeft: false)
  }

  /// The response can't be used.
  static func malformed(_ detail: String) -> UpstreamFailure {
    UpstreamFailure(kind: .malformed, detail: detail, requestLeft: true, responseBegan: true)
  }
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
