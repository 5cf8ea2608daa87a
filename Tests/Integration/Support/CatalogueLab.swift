import Foundation
import TestSupport

/// A gateway with an empty catalogue, and the calls that tests make of it.
struct CatalogueLab {
  let lab: Lab
  let configuration: GatewayConfiguration

  init(on engine: Engine, configure: (inout GatewayConfiguration) -> Void = { _ in }) throws {
    configuration = GatewayConfiguration {
      $0.hasCatalogue = true
      if engine == .postgres { $0.usePostgres() }
      configure(&$0)
    }
    let url = engine == .postgres ? try PostgresServer.shared().newDatabase() : nil
    lab = try Lab(configuration, environment: url.map { ["DATABASE_URL": $0] } ?? [:])
  }

  func get(_ path: String, token: String? = JWT.caller()) throws -> TestMessage { try lab.get(path, token: token) }

  func send(
    _ method: String, _ path: String, _ body: String?, token: String? = JWT.caller(),
    contentType: String = "application/json"
  ) throws -> TestMessage {
    let request = Request.make(method, path, body: body, token: token, contentType: contentType)
    return try lab.call(request, to: method, within: 30)
  }

  func post(_ body: String, to path: String = Request.objects) throws -> TestMessage { try send("POST", path, body) }

  func importing(_ body: String, contentType: String = "application/json") throws -> TestMessage {
    try send("POST", Request.objects + "/import", body, contentType: contentType)
  }

  /// The codes of a list.
  func codes(_ query: String = "") throws -> [String] {
    try get(Request.objects + query).list.compactMap { $0["code"] as? String }
  }

  /// Creates the object and returns its id.
  func create(_ code: String, name: String = "n", more: String = "") throws -> String {
    let response = try post(#"{"code":"\#(code)","name":"\#(name)","type":"sensor"\#(more)}"#)
    guard response.status == 201, let id = response.json?["id"] as? String else {
      throw NotInTime("no object created: \(response.status) \(response.text)")
    }
    return id
  }
}

extension TestMessage {
  /// The objects of a body that is an array.
  var list: [[String: Any]] { (try? JSONSerialization.jsonObject(with: Data(body))) as? [[String: Any]] ?? [] }

  /// The fields that a 422 names.
  var badFields: [String] { errors.compactMap { $0["field"] as? String } }
  /// The rows that a 422 names.
  var badRows: [Int] { errors.compactMap { $0["row"] as? Int } }
  private var errors: [[String: Any]] { json?["errors"] as? [[String: Any]] ?? [] }

  /// The target of `Link: rel="next"`, without scheme and authority.
  var next: String? {
    guard let link = self["Link"], let match = link.firstMatch(of: /<([^>]*)>\s*;\s*rel="?next"?/) else { return nil }
    let target = String(match.1)
    guard target.hasPrefix("http"), let path = target.split(separator: "/", maxSplits: 3).dropFirst(2).last else {
      return target
    }
    return "/" + path
  }
}
