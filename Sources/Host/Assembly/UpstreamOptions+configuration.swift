import AdapterAPI

extension UpstreamOptions {
  /// - Parameter credentialFields: The names of the response fields that carry the vendor's credentials.
  init(_ limits: Configuration.UpstreamLimits, credentialFields: [String]) {
    self.init(
      connectTimeout: limits.connectTimeout, firstByteTimeout: limits.firstByteTimeout,
      totalTimeout: limits.totalTimeout, queueWait: limits.queueWait, queueSize: limits.queueSize,
      readRetries: limits.readRetries, dnsRefresh: limits.dnsRefresh, maxResponseHead: limits.maxResponseHead,
      maxResponseBody: limits.maxResponseBody, credentialFields: FieldNames(credentialFields))
  }
}

extension UpstreamClient {
  convenience init(
    baseURL: BaseURL, limits: Configuration.UpstreamLimits, credentialFields: [String], group: EventLoopGroup,
    resolver: Resolver, instruments: UpstreamInstruments = UpstreamInstruments(), observer: UpstreamObserver? = nil
  ) {
    self.init(
      baseURL: baseURL, options: UpstreamOptions(limits, credentialFields: credentialFields),
      requests: Permits(limit: max(1, min(limits.maxInFlight, limits.maxConnections)), hasReserve: true),
      connections: Permits(limit: max(1, limits.maxConnections)), group: group, resolver: resolver,
      instruments: instruments, observer: observer)
  }
}
