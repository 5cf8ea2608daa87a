/// The reason for which a message is refused: a code, which gives the status, and a full sentence for a person.
///
/// Every fault ends the connection: after bytes that were not understood, the start of the next message is unknown.
struct HTTPFault: Error, Equatable {
  enum Code: UInt8, Sendable, CaseIterable {
    case badRequest, requestTimeout, uriTooLong, headersTooLarge, bodyTooLarge, overloaded, draining
    case unsupportedTransferCoding, httpVersion, expectationFailed, notImplementedMethod
  }

  let code: Code
  /// A full sentence: what is wrong and, where there is one, the remedy.
  let reason: StaticString

  init(_ code: Code, _ reason: StaticString) {
    self.code = code
    self.reason = reason
  }

  /// The status of a server's response (RFC 9110 §15). A fault in an upstream's response has a status of its own.
  var status: Int {
    switch code {
    case .badRequest: 400
    case .requestTimeout: 408
    case .bodyTooLarge: 413
    case .uriTooLong: 414
    case .expectationFailed: 417
    case .headersTooLarge: 431
    case .unsupportedTransferCoding, .notImplementedMethod: 501
    case .overloaded, .draining: 503
    case .httpVersion: 505
    }
  }

  static func == (a: HTTPFault, b: HTTPFault) -> Bool {
    a.code == b.code && a.reason.description == b.reason.description
  }

  static func bad(_ reason: StaticString) -> HTTPFault { HTTPFault(.badRequest, reason) }
}

/// Faults that several places find.
extension HTTPFault {
  static let headTooLarge = HTTPFault(.headersTooLarge, "The head is larger than allowed.")
  static let startLineTooLong = HTTPFault(.uriTooLong, "The request line is longer than allowed.")
  static let headTimeout = HTTPFault(.requestTimeout, "The request's head did not arrive in time.")
  static let bareCR = HTTPFault.bad("A CR without an LF behind it is not allowed; lines end in CRLF.")
  static let badChunkSize = HTTPFault.bad("A chunk size must be hexadecimal digits.")

  static let bodyTooLong = HTTPFault(.bodyTooLarge, "The body is longer than the limit.")
  static let bodyTimeout = HTTPFault(.requestTimeout, "The body did not arrive in time.")
  static let bodyCutOff = HTTPFault.bad("The connection ended before the end of the body.")
  static let clientLeft = HTTPFault.bad("The client closed the connection.")
  static let drainTimeout = HTTPFault(.draining, "The gateway is stopping, and did not get a response in time.")
  static let memoryUsedUp = HTTPFault(
    .overloaded, "The gateway's memory for requests is used up; try again shortly.")
}
