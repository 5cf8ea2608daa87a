import AdapterAPI

// listen, admin, limits.

extension ConfigurationReader {
  func readListen() -> Configuration.Listen {
    let section = section("listen")
    var listen = Configuration.Listen(
      address: readAddress(section, standard: 8080), eventLoops: readEventLoops(section),
      eventLoopsPosition: section.position(of: "event_loops"))
    listen.maxConnections = section.integer("max_connections", default: listen.maxConnections, in: 1...10_000_000)
    listen.maxRequestLine = section.size("max_request_line", default: listen.maxRequestLine, in: 64...(1 << 20))
    listen.maxHeaderSize = section.size("max_header_size", default: listen.maxHeaderSize, in: 64...(1 << 20))
    listen.maxHeaderFields = section.integer("max_header_fields", default: listen.maxHeaderFields, in: 1...10_000)
    listen.maxBodySize = section.size("max_body_size", default: listen.maxBodySize, in: 0...(1 << 40))
    listen.maxMemory = section.size("max_memory", default: listen.maxMemory, in: (1 << 20)...(1 << 44))
    listen.headerTimeout = timeout(section, "header_timeout", listen.headerTimeout)
    listen.bodyTimeout = timeout(section, "body_timeout", listen.bodyTimeout)
    listen.sendTimeout = timeout(section, "send_timeout", listen.sendTimeout)
    listen.idleTimeout = timeout(section, "idle_timeout", listen.idleTimeout)
    listen.drainTimeout = section.duration("drain_timeout", default: listen.drainTimeout, in: .zero...Self.day)
    let perAddress = section.integer("max_connections_per_address", default: 0, in: 0...10_000_000)
    notImplemented(
      "max_connections_per_address", section, unsafeIf: perAddress > 0,
      "and one address could open any number of connections; remove it, and limit connections in front of the gateway")
    readBodyRate(section)
    readListenTLS(section)
    readProxies(section)
    readOrigins(section)
    finish(section, .listen)
    return listen
  }

  func readAdmin(besides listen: Configuration.Listen) -> Configuration.Admin {
    let section = section("admin")
    let address = readAddress(section, standard: 9090)
    if address == listen.address, address.port != 0 {
      section.error("admin.address is the same as listen.address; give each its own port", at: "address")
    }
    finish(section, .admin)
    return Configuration.Admin(address: address)
  }

  func readLimits() {
    let limits = section("limits")
    for key in ["per_subject", "per_address"] {
      guard let section = limits.section(key) else { continue }
      let rate = section.integer("rate", default: 0, in: 0...1_000_000_000)
      _ = section.integer("burst", default: 0, in: 0...1_000_000_000)
      notImplemented(
        key, limits, unsafeIf: rate > 0,
        "and any number of requests would be served; remove it, and limit requests in front of the gateway")
      section.finish()
    }
    finish(limits, .limits)
  }

  /// Reads a timeout: from one millisecond to a day.
  func timeout(_ section: Settings, _ key: String, _ standard: Duration) -> Duration {
    section.duration(key, default: standard, in: Self.shortest...Self.day)
  }

  private func readAddress(_ section: Settings, standard port: UInt16) -> Configuration.Address {
    let position = section.position(of: "address")
    let text = section.text("address", default: "127.0.0.1:\(port)")
    switch ListenAddress.parse(text) {
    case .success(let address):
      return Configuration.Address(host: address.host, port: address.port, position: position)
    case .failure(let mistake):
      // An empty text has been reported already.
      if !text.isEmpty { section.error("'address' in \(section.path) \(mistake.reason)", at: "address") }
      return Configuration.Address(host: "127.0.0.1", port: 0, position: position)
    }
  }

  private func readEventLoops(_ section: Settings) -> Int? {
    guard let text = section.optionalText("event_loops"), text != "auto" else { return nil }
    if let count = ScalarText.integer(text), (1...1024).contains(count) { return count }
    section.error("'event_loops' in listen must be auto or a number from 1 to 1024", at: "event_loops")
    return nil
  }

  /// Reads the least speed of a body: a size, which means bytes per second. No more than the default may be written.
  private func readBodyRate(_ section: Settings) {
    let standard = 100
    let rate = section.size("min_body_rate", default: standard, in: 0...(1 << 30))
    notImplemented(
      "min_body_rate", section, unsafeIf: rate > standard,
      "and slower bodies would be accepted; remove it, and limit slow requests in front of the gateway")
  }

  /// A listener that is configured for TLS must not serve plain text.
  private func readListenTLS(_ section: Settings) {
    guard let tls = section.section("tls") else { return }
    _ = tls.text("certificate")
    _ = tls.text("key")
    _ = tls.optionalText("client_ca")
    _ = tls.choice("client_auth", ["none", "optional", "require"], default: "none")
    tls.finish()
    notImplemented(
      "tls", section, unsafeIf: true,
      "and responses would be sent in plain text; remove it, and terminate TLS in front of the gateway")
  }

  private func readProxies(_ section: Settings) {
    let isOn = section.choice("proxy_protocol", ["off", "on"], default: "off") == "on"
    notImplemented(
      "proxy_protocol", section, unsafeIf: isOn,
      "and the proxy's first line would be read as a request; remove it, and turn it off in the proxy too")
    let proxies = section.texts("trusted_proxies")
    for network in proxies where !ListenAddress.isNetwork(network) {
      section.error(
        "'\(Spelling.printable(network))' in listen.trusted_proxies is not a network; write it like 10.0.0.0/8",
        at: "trusted_proxies")
    }
    notImplemented("trusted_proxies", section)
  }

  private func readOrigins(_ section: Settings) {
    guard let cors = section.section("cors") else { return }
    let origins = cors.texts("origins")
    for origin in origins where !ListenAddress.isOrigin(origin) {
      cors.error(
        "'\(Spelling.printable(origin))' is not an origin; write it exactly as browsers do, like https://panel.example",
        at: "origins")
    }
    cors.finish()
    notImplemented("cors", section)
  }
}
