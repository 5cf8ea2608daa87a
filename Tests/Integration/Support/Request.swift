/// The bytes of requests.
enum Request {
  static let values = "/api/iot/codes/values"
  static let history = "/api/iot/codes/history"
  static let set = "/api/iot/codes/set"
  static let forceSet = "/api/iot/codes/force-set"
  static let alarms = "/api/iot/alarms"
  static let token = "/api/iot/token"
  static let objects = "/api/objects"
  static let widgets = "/api/dashboard/widgets"

  static let valuesBody = #"{"codes":["P"]}"#
  static let setBody = #"{"aryPoints":[{"pointId":"P","value":1}]}"#

  /// Returns a request, well-formed unless the parts are not. A token of nil omits the field.
  static func make(
    _ method: String = "POST", _ path: String = values, body: String? = valuesBody, token: String? = JWT.caller(),
    contentType: String? = "application/json", fields: String = "", version: String = "1.1"
  ) -> [UInt8] {
    var head = "\(method) \(path) HTTP/\(version)\r\nHost: gateway.test\r\n"
    if let token { head += "Authorization: Bearer \(token)\r\n" }
    if let body {
      if let contentType { head += "Content-Type: \(contentType)\r\n" }
      head += "Content-Length: \(body.utf8.count)\r\n"
    }
    return Array((head + fields + "\r\n" + (body ?? "")).utf8)
  }

  /// Returns a POST with the given framing.
  static func framed(_ fields: String, _ rest: String, token: String = JWT.caller()) -> [UInt8] {
    Array(
      ("POST \(values) HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer \(token)\r\n"
        + "Content-Type: application/json\r\n\(fields)\r\n\(rest)").utf8)
  }

  static func chunked(_ body: String, size: Int = 4) -> String {
    var bytes = Array(body.utf8)[...]
    var out = ""
    while !bytes.isEmpty {
      let piece = bytes.prefix(size)
      out += String(piece.count, radix: 16) + "\r\n" + String(decoding: piece, as: UTF8.self) + "\r\n"
      bytes = bytes.dropFirst(size)
    }
    return out + "0\r\n\r\n"
  }
}
