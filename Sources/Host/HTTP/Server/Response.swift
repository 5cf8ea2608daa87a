import AdapterAPI

/// Everything that leaves for a client in answer to one request. `Exchange.respond` adds framing, `Date` and `Connection`.
///
/// Not copyable: each one is sent once, and on its way it costs no reference count.
struct Response: ~Copyable {
  var status: Int
  var fields: Fields
  var body: Body
  /// Counts the body once while several connections send it; nil where the body is this response's own.
  var charge: MemoryCharge?
  var gateway: GatewayHeaders

  @inline(__always)
  init(
    status: Int, fields: Fields, body: Body, charge: MemoryCharge? = nil, gateway: GatewayHeaders = GatewayHeaders()
  ) {
    self.status = status
    self.fields = fields
    self.body = body
    self.charge = charge
    self.gateway = gateway
  }
}

/// The header fields that the gateway adds to responses.
struct GatewayHeaders {
  /// `X-Request-Id`; empty: none.
  var requestID = ""
  /// `X-Gateway-Source`; empty: none.
  var source = ""
  /// `Age` of a cached response in seconds (RFC 9111 §5.1).
  var age: Int?
}
