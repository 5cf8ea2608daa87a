import AdapterAPI

/// A request for something that the host keeps, after authentication and with its whole body.
struct ResourceRequest: Sendable {
  let kind: ResourceKind
  let action: ResourceAction
  /// The route's own path, for links.
  let path: String
  /// What follows the `?`, as it was sent.
  let query: String
  /// Nil when none was sent.
  let contentType: String?
  let body: [UInt8]
}

/// What is answered, apart from what every answer has. HEAD gets the same without the body.
struct ResourceResponse: Sendable {
  let status: Int
  let fields: Fields
  let body: [UInt8]
  private var charge: MemoryCharge?

  /// JSON.
  init(_ status: Int, link: String? = nil, _ write: (inout JSONWriter) -> Void) {
    self.status = status
    var json = JSONWriter()
    write(&json)
    body = json.line()
    var block: [UInt8] = []
    block.append("Content-Type: application/json\r\n")
    // A link is made of percent-encoded text only (`ResourceQuery`).
    if let link { block.append(text: "Link: \(link)\r\n") }
    fields = Fields(checkedBlock: block)
  }

  /// The answer counts for its size until nobody has it any more; what a slow client does not take counts then.
  mutating func charge(to memory: MemoryBudget) { charge = MemoryCharge(body.count, to: memory) }

  static let deleted = ResourceResponse(200) { $0.object { $0.member("success", true) } }
}
