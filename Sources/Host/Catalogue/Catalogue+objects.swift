import AdapterAPI

/// `/api/objects`.
extension Catalogue {
  func answerObjects(_ request: ResourceRequest) async throws(GatewayError) -> ResourceAnswer {
    throw .unsupportedOperation("objects")
  }
}
