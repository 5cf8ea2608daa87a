import AdapterAPI

/// A request for a stored resource, after authentication and with its whole body.
struct ResourceRequest: Sendable {
  let kind: ResourceKind
  let action: ResourceAction
  /// The path of the route, for links.
  let path: String
  /// The part of the target after `?`, as sent.
  let query: String
  /// Nil when the request has none.
  let contentType: String?
  let body: [UInt8]
}

/// The response without the fields that every response has. The host omits the body for HEAD.
struct ResourceResponse: Sendable {
  let status: Int
  let fields: Fields
  let body: [UInt8]
  private var charge: MemoryCharge?

  /// A JSON response.
  init(_ status: Int, link: String? = nil, _ write: (inout JSONWriter) -> Void) {
    self.status = status
    var json = JSONWriter()
    write(&json)
    body = json.line()
    var block: [UInt8] = []
    block.append("Content-Type: application/json\r\n")
    // Links consist of percent-encoded text (`ResourceQuery`).
    if let link { block.append(text: "Link: \(link)\r\n") }
    fields = Fields(checkedBlock: block)
  }

  /// Charges the body to the memory budget until the response is released, also while a slow client reads it.
  mutating func charge(to memory: MemoryBudget) { charge = MemoryCharge(body.count, to: memory) }

  static let deleted = ResourceResponse(200) { $0.object { $0.member("success", true) } }
}
