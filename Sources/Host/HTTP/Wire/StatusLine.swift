/// The status line of a response (RFC 9112 §4), with the reason phrases of RFC 9110 §15.
enum StatusLine {
  static func append(_ status: Int, to bytes: inout ByteBuffer) {
    if status == 200 {
      bytes.append("HTTP/1.1 200 OK\r\n")
      return
    }
    bytes.append("HTTP/1.1 ")
    bytes.append(decimal: status)
    bytes.append(UInt8(ascii: " "))
    bytes.append(reason(status))
    bytes.append("\r\n")
  }

  private static func reason(_ status: Int) -> StaticString {
    switch status {
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: ""
    }
  }
}
