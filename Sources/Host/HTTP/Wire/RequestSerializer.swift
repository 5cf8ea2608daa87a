import AdapterAPI

/// Serializes requests to one upstream. The parts that all of them share are put together once.
struct RequestSerializer: Sendable {
  /// The base URL's path, before every target.
  private let path: [UInt8]
  /// The bytes from behind the target to the end of the `Host` line.
  private let constant: [UInt8]

  init(_ baseURL: BaseURL) {
    path = Array(baseURL.path.utf8)
    constant = Array(" HTTP/1.1\r\nHost: \(baseURL.authority)\r\n".utf8)
  }

  /// Appends the whole request, with `Content-Length` where there is a body or the method expects one (RFC 9110 §8.6).
  func append(_ request: HTTPRequest, to out: inout ByteBuffer) {
    out.append(request.method.word)
    out.append(UInt8(ascii: " "))
    out.append(contentsOf: path)
    out.append(text: request.target)
    out.append(contentsOf: constant)
    out.append(contentsOf: request.fields.bytes)
    if !request.body.isEmpty || request.method != .get {
      out.append("Content-Length: ")
      out.append(decimal: request.body.count)
      out.append("\r\n")
    }
    out.append("\r\n")
    out.append(contentsOf: request.body)
  }
}

extension HTTPRequest.Method {
  fileprivate var word: StaticString {
    switch self {
    case .get: "GET"
    case .post: "POST"
    case .put: "PUT"
    case .patch: "PATCH"
    case .delete: "DELETE"
    }
  }
}
