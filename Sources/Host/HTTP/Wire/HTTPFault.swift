/// Why a message is refused: a code, which gives the status, and a sentence for a person.
///
/// Every fault ends the connection: after bytes that were not understood, nobody knows where the next message starts.
struct HTTPFault: Error, Equatable {
  enum Code: UInt8, Sendable, CaseIterable {
    case badRequest, requestTimeout, uriTooLong, headersTooLarge, bodyTooLarge, overloaded
    case unsupportedTransferCoding, httpVersion, expectationFailed, notImplementedMethod
  }

  let code: Code
  let reason: StaticString

  init(_ code: Code, _ reason: StaticString) {
    self.code = code
    self.reason = reason
  }

  /// What a server answers (RFC 9110 §15); a client that meets a fault in an answer has its own status for that.
  var status: Int {
    switch code {
    case .badRequest: 400
    case .requestTimeout: 408
    case .bodyTooLarge: 413
    case .uriTooLong: 414
    case .expectationFailed: 417
    case .headersTooLarge: 431
    case .unsupportedTransferCoding, .notImplementedMethod: 501
    case .overloaded: 503
    case .httpVersion: 505
    }
  }

  static func == (a: HTTPFault, b: HTTPFault) -> Bool {
    a.code == b.code && a.reason.description == b.reason.description
  }

  static func bad(_ reason: StaticString) -> HTTPFault { HTTPFault(.badRequest, reason) }
}
