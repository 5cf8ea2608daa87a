import AdapterAPI

/// `/api/dashboard/widgets`.
extension Catalogue {
  func answerWidgets(_ request: ResourceRequest) async throws(GatewayError) -> ResourceAnswer {
    throw .unsupportedOperation("widgets")
  }
}
