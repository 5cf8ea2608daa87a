import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct GatewayErrorTests {
  /// The contract's table, as far as something in the gateway gives it.
  private static let contract: [Int: Set<String>] = [
    400: ["bad_request", "bad_json"], 401: ["unauthorized"], 403: ["forbidden"], 404: ["not_found"],
    405: ["method_not_allowed"], 409: ["conflict"],
    422: ["invalid_field"], 408: ["request_timeout"], 413: ["body_too_large"], 414: ["uri_too_long"],
    431: ["headers_too_large"], 415: ["unsupported_media_type"], 417: ["expectation_failed"],
    501: ["unsupported_operation"], 505: ["http_version"],
    502: ["upstream_unreachable", "upstream_malformed", "upstream_rejected_token"],
    503: ["overloaded", "budget_spent", "no_token", "store_unavailable"], 504: ["upstream_timeout"],
  ]

  private static var invalid: GatewayError {
    var problems = FieldProblems()
    problems.add("name", "must be text", row: 7)
    return .invalidFields(problems)
  }

  private static let all: [GatewayError] = {
    let faults = HTTPFault.Code.allCases.map { GatewayError(HTTPFault($0, "what is wrong")) }
    let adapters = AdapterError.Code.allCases.map {
      GatewayError(AdapterError($0, "What is wrong.", detail: "for the log"))
    }
    let own: [GatewayError] = [
      .unauthorized("why for the log"), .forbidden, .notFound, .methodNotAllowed("GET, HEAD"), .badJSON("No JSON."),
      .unsupportedMediaType, .unsupportedOperation("stream"), .noToken("down", retryAfter: nil),
      .badRequest("No."), .notFound("There is no such object."), .conflict("It is taken."), invalid,
      .unsupportedMediaType("Send JSON."),
    ]
    let store = [StoreError.Code.unavailable, .full, .readOnly].map { GatewayError(StoreError($0, "for the log")) }
    return faults + adapters + own + store
  }()

  @Test func `every word stands under its status, and every word of the contract is given`() {
    var given: [Int: Set<String>] = [:]
    for error in GatewayErrorTests.all {
      given[error.status, default: []].insert(error.word.description)
    }
    #expect(given == GatewayErrorTests.contract)
  }

  @Test func `every 503 says when to come back, in whole seconds from 1`() {
    for error in GatewayErrorTests.all {
      #expect((error.retryAfter != nil) == (error.status == 503), "\(error.word)")
      if let seconds = error.retryAfter { #expect(seconds >= 1) }
    }
    #expect(GatewayError.noToken("", retryAfter: .milliseconds(1)).retryAfter == 1)
    #expect(GatewayError.noToken("", retryAfter: .milliseconds(1001)).retryAfter == 2)
    #expect(GatewayError.noToken("", retryAfter: .seconds(-5)).retryAfter == 1)
    #expect(GatewayError.noToken("", retryAfter: .seconds(Int64.max)).retryAfter.map { $0 > 1 } == true)
    let busy = AdapterError(.overloaded, "Busy.", retryAfter: .seconds(7))
    #expect(GatewayError(busy).retryAfter == 7)
  }

  @Test func `sentences are sentences, and details stay out of the answer`() throws {
    for error in GatewayErrorTests.all {
      #expect(error.message.first?.isUppercase == true && error.message.hasSuffix("."), "\(error.message)")
      let body = ErrorBody.body(error, requestID: "id-1")
      let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
      let texts = object?.compactMapValues { $0 as? String }
      #expect(texts == ["error": error.message, "code": error.word.description, "requestId": "id-1"])
      #expect((object?["errors"] != nil) == (error.status == 422))
      if !error.detail.isEmpty, error.detail != error.message {
        #expect(!String(decoding: body, as: UTF8.self).contains("for the log"))
      }
    }
  }

  @Test func `a 422 lists a thousand problems and counts all of them`() throws {
    var problems = FieldProblems()
    for row in 1...1200 { problems.add("na\"me", "must be \u{0} text", row: row) }
    let error = GatewayError.invalidFields(problems)
    #expect(error.message.contains("1200"))
    let object = try JSONSerialization.jsonObject(with: Data(ErrorBody.body(error, requestID: "x"))) as? [String: Any]
    let listed = try #require(object?["errors"] as? [[String: Any]])
    #expect(listed.count == 1000)
    #expect(listed[999]["row"] as? Int == 1000 && listed[0]["field"] as? String == "na\"me")
    #expect(listed[0]["message"] as? String == "must be \u{0} text")
  }

  @Test func `an error's text can't leave its JSON string`() throws {
    let nasty = "a \"quoted\" \\ back\u{8}slash\r\nand \u{0} more \u{1F600}"
    let body = ErrorBody.body(.badJSON(nasty), requestID: "x\"y")
    let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: String]
    #expect(object?["error"] == nasty && object?["requestId"] == "x\"y")
  }

  @Test func `the fields of an answer fit its error`() {
    func fields(_ error: GatewayError) -> Fields { ErrorBody.fields(error) }
    #expect(fields(.unauthorized("x"))["www-authenticate"] == "Bearer")
    #expect(fields(.methodNotAllowed("POST"))["allow"] == "POST")
    #expect(fields(.noToken("x", retryAfter: nil))["retry-after"] == "1")
    #expect(fields(.notFound)["retry-after"] == nil && fields(.notFound)["allow"] == nil)
    for error in GatewayErrorTests.all {
      #expect(fields(error)["content-type"] == "application/json")
    }
  }

  @Test func `a store that takes no changes says so, without its path`() {
    let full = GatewayError(StoreError(.full, "'/secret/place.db' is full"))
    let readOnly = GatewayError(StoreError(.readOnly, "'/secret/place.db' can't be written"))
    #expect(full.message.contains("full") && readOnly.message.contains("read only"))
    for error in [full, readOnly] {
      #expect(error.status == 503 && error.retryAfter != nil && !error.message.contains("secret"))
    }
  }
}
