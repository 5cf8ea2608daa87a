import AdapterAPI
import Testing

extension AdapterConformance {
  func writesTheEnvelope(_ subject: Subject) async throws {
    let call = try await call(subject)
    for (operation, body) in samples(subject) {
      let response = try await subject.adapter.perform(
        AdapterRequest(operation: operation, body: Array(body.utf8)), call)
      let name = operation.rawValue
      #expect(response.status == 200, "\(name): status")
      #expect(response.verdict == .ok, "\(name): verdict")
      #expect(response.fields["content-type"]?.hasPrefix("application/json") == true, "\(name): content type")
      let json = try JSONValue(parsing: try await AdapterConformance.bytes(of: response.body))
      #expect(TopLevel.code(in: json.serialized) == 200, "\(name): code")
      if let member = AdapterConformance.listMember[operation] {
        #expect(json[member]?.array != nil, "\(name): '\(member)' must be an array")
      }
      for result in json["ResultPointObjArr"]?.array ?? [] {
        #expect(result["pointId"]?.string != nil, "\(name): each element has a pointId")
      }
    }
  }

  private static let listMember: [Operation: String] = [
    .values: "ResultPointObjArr", .history: "ResultPointObjArr", .alarms: "ResultAlarmArr",
    .alarmConfigs: "ResultAlarmConfigArr",
  ]

  func refusesUndeclaredOperations(_ subject: Subject) async {
    let call = try? await call(subject)
    for operation in Operation.allCases where !type(of: subject.adapter).operations.contains(operation) {
      let error = await error(subject, operation, "{}", call ?? Call(token: nil, deadline: .distantFuture))
      #expect(error?.code == .unsupported, "\(operation.rawValue)")
      #expect(error?.message.contains(operation.rawValue) == true, "the message names \(operation.rawValue)")
    }
  }

  func obtainsTokens(_ subject: Subject) async throws {
    guard subject.adapter.usesToken else {
      #expect((try await call(subject)).token == nil)
      return
    }
    let first = try await subject.adapter.refresh(nil, deadline: .distantFuture)
    #expect(first.lifetime > 0)
    let second = try await subject.adapter.refresh(first, deadline: .distantFuture)
    #expect(second.access != first.access)
    guard let (operation, body) = samples(subject).first else { return }
    for token in [first, second] {
      let call = Call(token: token, deadline: .distantFuture)
      #expect(await error(subject, operation, body, call) == nil)
    }
  }

  func reportsRejectedTokens(_ subject: Subject) async throws {
    guard subject.adapter.usesToken else { return }
    _ = try await call(subject)
    for token in [try Self.unknownToken, nil] {
      let call = Call(token: token, deadline: .distantFuture)
      for (operation, body) in samples(subject) {
        let error = await error(subject, operation, body, call)
        #expect(error?.code == .tokenRejected, "\(operation.rawValue)")
        // The host repeats a write after this error, so nothing may have been done.
        #expect(error?.mayHaveActed == false, "\(operation.rawValue)")
      }
      guard type(of: subject.adapter).listsObjects else { continue }
      #expect(await listingError(subject, nil, call)?.code == .tokenRejected, "objects")
    }
  }

  func reportsRejectedRefreshTokens(_ subject: Subject) async throws {
    guard subject.adapter.usesToken else { return }
    let unknown = try Self.unknownToken
    let error = await adapterError { try await subject.adapter.refresh(unknown, deadline: .distantFuture) }
    #expect(error?.code == .refreshRejected)
  }

  private static var unknownToken: Token {
    get throws { try Token(access: "unknown-token", refresh: "unknown-token", expiresAt: .max, lifetime: .max) }
  }

  func servesConcurrentCalls(_ subject: Subject) async throws {
    let call = try await call(subject)
    let samples = samples(subject)
    let responses = await withTaskGroup(of: Bool.self) { group in
      for number in 0..<100 {
        let (operation, body) = samples[number % samples.count]
        group.addTask { await error(subject, operation, body, call) == nil }
      }
      return await group.reduce(into: 0) { count, hasResponse in count += hasResponse ? 1 : 0 }
    }
    #expect(responses == 100)
  }

  func survivesHostileBodies(_ subject: Subject) async throws {
    let call = try await call(subject)
    for (operation, _) in samples(subject) {
      for body in HostileBodies.objects {
        let error = await error(subject, operation, body, call)
        if isRaw {
          #expect(error == nil, "\(operation.rawValue): \(body.prefix(60)) passes to the upstream")
        } else if let error {
          #expect(error.code == .badRequest, "\(operation.rawValue): \(body.prefix(60))")
          #expect(error.message.last == ".", "the message is a sentence: \(error.message)")
        }
      }
    }
    guard !isRaw else { return }
    // These operations need members that an empty object does not have.
    for operation in [Operation.values, .history, .set, .forceSet]
    where type(of: subject.adapter).operations.contains(operation) {
      let error = await error(subject, operation, "{}", call)
      #expect(error?.code == .badRequest, "\(operation.rawValue)")
    }
  }

  func passesBytes(_ subject: Subject) async throws {
    guard isRaw, let client = subject.client else { return }
    let call = try await call(subject)
    let odd = "  {\"code\" : 200,\"n\":9007199254740993.10,\"e\":1e400, \"s\":\"\\u0050\\/é😀\",\"a\":[{}]}\n"
    for (operation, _) in samples(subject) {
      client.script { _ in .whole(odd) }
      let request = AdapterRequest(operation: operation, body: Array(odd.utf8))
      let response = try await subject.adapter.perform(request, call)
      #expect(client.requests.last?.body == Array(odd.utf8), "\(operation.rawValue): request")
      #expect(response.body.prefix == Array(odd.utf8), "\(operation.rawValue): response")
      let rest = ScriptedStream([[1, 2, 3]])
      client.script { _ in
        HTTPResponse(status: 200, fields: Fields(), body: .stream(prefix: Array(odd.utf8), rest: rest))
      }
      let long = try await Self.bytes(of: try await subject.adapter.perform(request, call).body)
      #expect(long == Array(odd.utf8) + [1, 2, 3], "\(operation.rawValue): stream")
      #expect(!rest.isCancelled)
    }
  }

  func keepsSecrets(_ subject: Subject) async throws {
    let call = try await call(subject)
    let hidden = secrets + [call.token?.access, call.token?.refresh].compactMap { $0 }.filter { !$0.isEmpty }
    var shown: [String] = ["\(subject.adapter.upstream)", "\(call)"]
    func show(_ error: AdapterError?) {
      if let error { shown += [error.message, error.detail, "\(error)"] }
    }
    let unknown = try Self.unknownToken
    let rejected = Call(token: unknown, deadline: .distantFuture)
    for (operation, body) in samples(subject) {
      for (text, call) in [(body, rejected), ("{\"codes\":7,\"aryPoints\":7,\"starttime\":7}", call)] {
        show(await error(subject, operation, text, call))
      }
      if let client = subject.client {
        for response in [HTTPResponse.whole("<html>\(hidden)</html>", type: "text/html"), .whole("", status: 302)] {
          client.script { _ in response }
          show(await error(subject, operation, body, call))
        }
      }
    }
    if subject.adapter.usesToken, let token = call.token {
      shown.append("\(token)")
      for current in [token, unknown, nil] {
        subject.client?.script { _ in .whole("{\"code\":500,\"error\":\"\(hidden)\"}") }
        show(await adapterError { try await subject.adapter.refresh(current, deadline: .distantFuture) })
      }
    }
    for text in shown + subject.log.lines {
      for secret in hidden { #expect(!text.contains(secret), "no text has a secret") }
    }
  }

  func describesSettings(_ subject: Subject) {
    let type = type(of: subject.adapter)
    #expect(!type.typeName.isEmpty)
    #expect(type.typeName.utf8.allSatisfy("-abcdefghijklmnopqrstuvwxyz0123456789".utf8.contains))
    #expect(!type.operations.isEmpty)
    #expect(Set(type.settings.map(\.key)).count == type.settings.count)
    #expect(subject.adapter.upstream.type == type.typeName)
  }

  static func bytes(of body: Body) async throws -> [UInt8] {
    var bytes = body.prefix
    if case .stream(_, let rest) = body {
      while let piece = try await rest.next() { bytes += piece }
    }
    return bytes
  }
}
