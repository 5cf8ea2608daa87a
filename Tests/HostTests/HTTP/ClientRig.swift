import AdapterAPI
import TestSupport

@testable import Host

extension ScriptedUpstream {
  /// Returns an upstream that responds to every request with the same bytes, where a signal is given after it.
  static func answering(_ response: String, after signal: ThreadSignal? = nil) throws -> ScriptedUpstream {
    try ScriptedUpstream { peer in
      while peer.takeRequest() != nil {
        signal?.wait()
        peer.send(response)
      }
    }
  }

  var url: BaseURL { BaseURL(isTLS: false, host: "127.0.0.1", port: port, path: "/base") }
  var address: SocketAddress { SocketAddress(numeric: "127.0.0.1", port: port)! }
}

/// Returns a response of status 200 with a body and its length.
func ok(_ body: String, _ fields: String = "") -> String {
  "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

/// A client of one upstream on loops of its own. At the end, no permit may be taken and no object be left on the loops.
struct ClientRig: Sendable {
  let group: EventLoopGroup
  let client: UpstreamClient
  var loop: EventLoop { group.loops[0] }

  static let leftovers = Collected<String>()

  static func with(
    _ upstream: BaseURL, loops: Int = 1, _ limits: [(inout Configuration.UpstreamLimits) -> Void] = [],
    _ resolver: Resolver = Resolver(), test: (ClientRig) async throws -> Void
  ) async throws {
    // So long that no test reaches these timeouts by chance on a busy machine.
    var wanted = Configuration.UpstreamLimits()
    wanted.firstByteTimeout = .seconds(60)
    wanted.totalTimeout = .seconds(60)
    for limit in limits { limit(&wanted) }
    try await withLoops(loops) { group in
      let client = UpstreamClient(
        baseURL: upstream, limits: wanted, credentialFields: [], group: group, resolver: resolver)
      let rig = ClientRig(group: group, client: client)
      do {
        try await test(rig)
      } catch {
        await rig.end()
        throw error
      }
      await rig.end()
    }
  }

  /// Runs the test with a client of an upstream that responds to every request with the same bytes.
  static func with(
    answering response: String, loops: Int = 1, _ limits: [(inout Configuration.UpstreamLimits) -> Void] = [],
    test: (ClientRig, ScriptedUpstream) async throws -> Void
  ) async throws {
    let upstream = try ScriptedUpstream.answering(response)
    try await with(upstream.url, loops: loops, limits) { try await test($0, upstream) }
  }

  private func end() async {
    let isFree = await eventually { client.inFlight == 0 }
    if !isFree { ClientRig.leftovers.add("calls \(client.inFlight)") }
    client.shutdown()
    for loop in group.loops where await !eventually({ await onLoop(loop) { loop.allObjects.isEmpty } }) {
      ClientRig.leftovers.add("objects \(await onLoop(loop) { loop.allObjects.map { "\($0)" } })")
    }
  }

  /// Sends a request from one of the loops.
  func start(
    _ request: HTTPRequest = HTTPRequest(.get, "/x"), on index: Int = 0, within milliseconds: Int64 = 60_000
  ) -> Task<Result<HTTPResponse, AdapterError>, Never> {
    let client = client
    return task(on: group.loops[index]) {
      do throws(AdapterError) {
        return .success(try await client.send(request, deadline: inMilliseconds(milliseconds)))
      } catch {
        return .failure(error)
      }
    }
  }

  func send(
    _ request: HTTPRequest = HTTPRequest(.get, "/x"), on index: Int = 0, within milliseconds: Int64 = 60_000
  ) async -> Result<HTTPResponse, AdapterError> {
    await start(request, on: index, within: milliseconds).value
  }

  /// The number of connections to the upstream, over all loops.
  func connections() async -> Int {
    var count = 0
    for loop in group.loops { count += await onLoop(loop) { loop.allObjects.count { $0 is UpstreamConnection } } }
    return count
  }
}

let write = HTTPRequest(.post, "/set", body: Array("{}".utf8), isWrite: true)

extension Result where Success == HTTPResponse, Failure == AdapterError {
  /// The body, if it is not streamed.
  var text: String? {
    if case .success(let response) = self, response.body.isWhole {
      String(decoding: response.body.prefix, as: UTF8.self)
    } else {
      nil
    }
  }
  var status: Int? { if case .success(let response) = self { response.status } else { nil } }
  var code: AdapterError.Code? { if case .failure(let error) = self { error.code } else { nil } }
  var mayHaveActed: Bool? { if case .failure(let error) = self { error.mayHaveActed } else { nil } }
  var detail: String? { if case .failure(let error) = self { error.detail } else { nil } }

  /// The start of the body and the stream of its rest, if it is streamed.
  var stream: (prefix: [UInt8], rest: any BodyStream)? {
    guard case .success(let response) = self, case .stream(let prefix, let rest) = response.body else { return nil }
    return (prefix, rest)
  }

  /// Returns the whole body with its streamed rest, and the error if it broke off.
  func readAll() async -> (bytes: [UInt8], error: AdapterError?) {
    guard case .success(let response) = self else { return ([], nil) }
    guard case .stream(var bytes, let rest) = response.body else { return (response.body.prefix, nil) }
    do throws(AdapterError) {
      while let piece = try await rest.next() { bytes += piece }
      return (bytes, nil)
    } catch {
      return (bytes, error)
    }
  }
}
