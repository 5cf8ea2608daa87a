import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct GatewayErrorTests {
  /// The contract's table, without the codes of features that do not exist yet.
  private static let contract: [Int: Set<String>] = [
    400: ["bad_request", "bad_json"], 401: ["unauthorized"], 403: ["forbidden"], 404: ["not_found"],
    405: ["method_not_allowed"], 409: ["conflict"],
    422: ["invalid_field"], 408: ["request_timeout"], 413: ["body_too_large"], 414: ["uri_too_long"],
    431: ["headers_too_large"], 415: ["unsupported_media_type"], 417: ["expectation_failed"],
    501: ["unsupported_operation"], 505: ["http_version"],
    502: ["upstream_unreachable", "upstream_malformed", "upstream_rejected_token"],
    503: ["overloaded", "budget_spent", "no_token", "store_unavailable", "draining"], 504: ["upstream_timeout"],
  ]

  private static let all: [GatewayError] = {
    let faults = HTTPFault.Code.allCases.map { GatewayError(HTTPFault($0, "What is wrong.")) }
    let adapters = AdapterError.Code.allCases.map {
      GatewayError(AdapterError($0, "What is wrong.", detail: "for the log"))
    }
    var problems = FieldProblems()
    problems.add("name", "must be text", row: 7)
    let own: [GatewayError] = [
      .unauthorized("for the log"), .forbidden, .notFound, .methodNotAllowed("GET, HEAD"), .badJSON("No JSON."),
      .unsupportedMediaType, .unsupportedCharset, .unsupportedCoding, .unsupportedOperation("stream"),
      .noToken("for the log", retryAfter: nil),
      .conflict("It is taken."), .invalidFields(problems), .upstreamTimeout("for the log"), .cancelled("for the log"),
    ]
    let store = [StoreError.Code.unavailable, .full, .readOnly].map { GatewayError(StoreError($0, "for the log")) }
    return faults + adapters + own + store
  }()

  private func object(_ body: [UInt8]) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
  }

  @Test func `Code has the values and statuses of the contract, and each of them is in use`() {
    let codes = Dictionary(grouping: GatewayError.Code.allCases, by: \.status)
    #expect(codes.mapValues { Set($0.map(\.rawValue)) } == GatewayErrorTests.contract)
    #expect(Set(GatewayErrorTests.all.map(\.code)) == Set(GatewayError.Code.allCases))
  }

  @Test func `Code(fault) has the status that the fault has by itself`() {
    for code in HTTPFault.Code.allCases {
      #expect(GatewayError.Code(code).status == HTTPFault(code, "").status, "\(code)")
    }
  }

  @Test func `retryAfter is set for 503 and for no other status, in whole seconds from 1`() {
    for error in GatewayErrorTests.all {
      #expect((error.retryAfter != nil) == (error.status == 503), "\(error.code)")
      if let seconds = error.retryAfter { #expect(seconds >= 1) }
    }
    #expect(GatewayError.noToken("", retryAfter: .milliseconds(1)).retryAfter == 1)
    #expect(GatewayError.noToken("", retryAfter: .milliseconds(1001)).retryAfter == 2)
    #expect(GatewayError.noToken("", retryAfter: .seconds(-5)).retryAfter == 1)
    #expect(GatewayError.noToken("", retryAfter: .seconds(Int64.max)).retryAfter.map { $0 > 1 } == true)
    let busy = AdapterError(.overloaded, "Busy.", retryAfter: .seconds(7))
    #expect(GatewayError(busy).retryAfter == 7)
  }

  @Test func `body holds full sentences and no detail`() throws {
    for error in GatewayErrorTests.all {
      #expect(error.message.first?.isUppercase == true && error.message.hasSuffix("."), "\(error.message)")
      let body = ErrorBody.body(error, requestID: "id-1")
      let object = try object(body)
      let texts = object.compactMapValues { $0 as? String }
      #expect(texts == ["error": error.message, "code": error.code.rawValue, "requestId": "id-1"])
      #expect((object["errors"] != nil) == (error.status == 422))
      #expect(!String(decoding: body, as: UTF8.self).contains("for the log"))
    }
  }

  @Test func `body says that an outcome is unknown, only for a write that may have been carried out`() throws {
    for mayHaveActed in [true, false] {
      let error = GatewayError(AdapterError(.timeout, "It was late.", mayHaveActed: mayHaveActed))
      for isWrite in [true, false] {
        let outcome = try object(ErrorBody.body(error, requestID: "x", isWrite: isWrite))["outcome"] as? String
        #expect(outcome == (mayHaveActed && isWrite ? "unknown" : nil))
      }
    }
  }

  @Test func `body of a 422 lists a thousand problems, and its message counts all of them`() throws {
    var problems = FieldProblems()
    for row in 1...1200 { problems.add("na\"me", "must be \u{0} text", row: row) }
    let error = GatewayError.invalidFields(problems)
    #expect(error.message.contains("1200"))
    let listed = try #require(object(ErrorBody.body(error, requestID: "x"))["errors"] as? [[String: Any]])
    #expect(listed.count == 1000)
    #expect(listed[999]["row"] as? Int == 1000 && listed[0]["field"] as? String == "na\"me")
    #expect(listed[0]["message"] as? String == "must be \u{0} text")
  }

  @Test func `body escapes every byte that could end a JSON string`() throws {
    let nasty = "a \"quoted\" \\ back\u{8}slash\r\nand \u{0} more \u{1F600}"
    let object = try object(ErrorBody.body(.badJSON(nasty), requestID: "x\"y"))
    #expect(object["error"] as? String == nasty && object["requestId"] as? String == "x\"y")
  }

  @Test func `fields fit the error's status`() {
    func fields(_ error: GatewayError) -> Fields { ErrorBody.fields(error) }
    #expect(fields(.unauthorized("x"))["www-authenticate"] == "Bearer")
    #expect(fields(.methodNotAllowed("POST"))["allow"] == "POST")
    #expect(fields(.noToken("x", retryAfter: nil))["retry-after"] == "1")
    #expect(fields(.notFound)["retry-after"] == nil && fields(.notFound)["allow"] == nil)
    #expect(fields(.unsupportedCoding)["accept-encoding"] == "identity")
    #expect(fields(.unsupportedCharset)["accept-encoding"] == nil)
    for error in GatewayErrorTests.all {
      #expect(fields(error)["content-type"] == "application/json")
    }
  }

  @Test func `a store error says what the store can do, without its path`() {
    let full = GatewayError(StoreError(.full, "'/secret/place.db' is full"))
    let readOnly = GatewayError(StoreError(.readOnly, "'/secret/place.db' can't be written"))
    #expect(full.message.contains("full") && readOnly.message.contains("only be read"))
    for error in [full, readOnly] {
      #expect(error.status == 503 && error.retryAfter != nil && !error.message.contains("secret"))
    }
  }
}
