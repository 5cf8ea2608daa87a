import AdapterAPI
import Synchronization

/// The program's metrics: a handle for each route and adapter, and the text for Prometheus. Used on any thread.
///
/// A request only touches atomics of a handle that its route or adapter holds. One label has one handle for the life of the
/// process, so that counters continue after a reload.
final class Metrics: Sendable {
  /// The requests that match no route.
  let unmatched = RouteMetrics(route: "unmatched")
  /// Open client connections.
  let connections = Gauge()
  /// Snapshots in memory: the one in force, and earlier ones with requests in flight.
  let snapshotsLive = Gauge()
  /// The bytes of client connections.
  let traffic = Traffic()
  let process = ProcessStatistics()

  private struct Registry {
    /// In the order of registration.
    var routes: [RouteMetrics] = []
    var adapters: [AdapterMetrics] = []
    var routePlaces: [String: Int] = [:]
    var adapterPlaces: [String: Int] = [:]
    /// The adapters of the configuration in force; nil for all.
    var present: Set<String>?
  }

  private let registry = Mutex(Registry())
  private let store = Gauge()
  private let reloadSuccessful = Gauge()
  /// Milliseconds since the epoch.
  private let reloadTimestamp = Gauge()
  /// Reads the number of lines that the log has dropped. Set once.
  private let lostLogLines = Mutex<(@Sendable () -> Int)?>(nil)

  /// Returns the handle of a configured path.
  func route(_ path: String) -> RouteMetrics {
    if path == unmatched.route { return unmatched }
    return registry.withLock { registry in
      if let place = registry.routePlaces[path] { return registry.routes[place] }
      let handle = RouteMetrics(route: path)
      registry.routePlaces[path] = registry.routes.count
      registry.routes.append(handle)
      return handle
    }
  }

  /// Returns the handle of an adapter instance.
  func adapter(_ name: String) -> AdapterMetrics {
    registry.withLock { registry in
      if let place = registry.adapterPlaces[name] { return registry.adapters[place] }
      let handle = AdapterMetrics(adapter: name)
      registry.adapterPlaces[name] = registry.adapters.count
      registry.adapters.append(handle)
      return handle
    }
  }

  /// Names the adapters of the configuration in force. The gauges of removed adapters are no longer shown, because an alert on an
  /// expired token would never end. Their counters stay.
  func setPresent(adapters: some Sequence<String>) {
    let names = Set(adapters)
    registry.withLock { $0.present = names }
  }

  func setStore(isUp: Bool) { store.set(isUp ? 1 : 0) }

  /// Records that a configuration is in force, at the start and after a successful reload.
  func reloadSucceeded(at milliseconds: Int64 = System.wall()) {
    reloadTimestamp.set(Int(milliseconds))
    reloadSuccessful.set(1)
  }

  /// Records a refused reload. The timestamp stays.
  func reloadFailed() { reloadSuccessful.set(0) }

  func watch(_ log: Log) { lostLogLines.withLock { $0 = { [weak log] in log?.lost ?? 0 } } }

  /// Returns the body for `GET /metrics`, of type `Exposition.contentType`.
  func render() -> [UInt8] {
    let (routes, adapters, present) = registry.withLock { ($0.routes, $0.adapters, $0.present) }
    var out = Exposition()
    render(routes: routes + [unmatched], into: &out)
    render(adapters: adapters, into: &out)
    render(gaugesOf: adapters.filter { present?.contains($0.adapter) ?? true }, into: &out)
    renderProgram(into: &out)
    process.render(into: &out)
    return out.bytes
  }

  private func render(routes: [RouteMetrics], into out: inout Exposition) {
    out.family(
      "gateway_http_requests_total", .counter, "Requests that got a response, by configured path, method and status.")
    for route in routes {
      for (method, status, count) in route.counts() {
        out.sample(
          "gateway_http_requests_total",
          [("route", route.route), ("method", method.label), ("status", String(status))], count)
      }
    }
    out.family(
      "gateway_http_request_duration_seconds", .histogram,
      "Time from the end of a request's head to the end of its response.")
    for route in routes {
      out.histogram("gateway_http_request_duration_seconds", [("route", route.route)], route.duration)
    }
    out.family("gateway_http_connections", .gauge, "Open client connections.")
    out.sample("gateway_http_connections", connections.value)
    out.family("gateway_http_received_bytes_total", .counter, "Bytes received from clients.")
    out.sample("gateway_http_received_bytes_total", traffic.received)
    out.family("gateway_http_sent_bytes_total", .counter, "Bytes sent to clients.")
    out.sample("gateway_http_sent_bytes_total", traffic.sent)
  }

  private func renderProgram(into out: inout Exposition) {
    out.family("gateway_build_info", .gauge, "Always 1, with the version of the program as a label.")
    out.sample("gateway_build_info", [("version", ProgramVersion.text)], 1)
    out.family("gateway_store_up", .gauge, "1 when the last access to the store succeeded, else 0.")
    out.sample("gateway_store_up", store.value)
    out.family(
      "gateway_config_snapshots_live", .gauge,
      "Configurations in memory: the one in force, and earlier ones with requests in flight.")
    out.sample("gateway_config_snapshots_live", snapshotsLive.value)
    out.family(
      "gateway_config_last_reload_successful", .gauge,
      "1 when the configuration that was read last is in force, 0 when it was refused.")
    out.sample("gateway_config_last_reload_successful", reloadSuccessful.value)
    out.family(
      "gateway_config_last_reload_timestamp_seconds", .gauge,
      "Time at which the configuration in force was read, in seconds since 1970.")
    out.sample(
      "gateway_config_last_reload_timestamp_seconds", seconds: UInt64(max(reloadTimestamp.value, 0)), per: 1000)
    out.family(
      "gateway_log_lines_dropped_total", .counter,
      "Log lines that were dropped because the log was not read fast enough.")
    out.sample("gateway_log_lines_dropped_total", lostLogLines.withLock { $0 }?() ?? 0)
  }
}
