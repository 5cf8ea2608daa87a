import AdapterAPI
import Testing

/// The checks of the listing for the catalogue.
extension AdapterConformance {
  /// More pages than any upstream has. A longer listing is taken for an endless one.
  private static let maximumPages = 10_000

  func listsObjects(_ subject: Subject) async throws {
    let call = try await call(subject)
    guard type(of: subject.adapter).listsObjects else {
      let error = await listingError(subject, nil, call)
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains("objects") == true, "the message names the call")
      return
    }
    let objects = try await listed(subject, call)
    if type(of: subject.adapter).listsAllObjects { #expect(!objects.isEmpty) }
    #expect(objects.allSatisfy { !$0.code.isEmpty }, "each object has a code")
    #expect(Set(objects.map(\.code)).count == objects.count, "no code is listed twice")
    for object in objects {
      #expect(Set(object.metadata.map(\.key)).count == object.metadata.count, "\(object.code): a metadata key twice")
    }
    #expect(try await listed(subject, call) == objects, "two listings are equal")
    try await readsEach(objects.map(\.code), subject, call)
  }

  private func readsEach(_ codes: [String], _ subject: Subject, _ call: Call) async throws {
    guard type(of: subject.adapter).operations.contains(.values) else { return }
    for start in stride(from: 0, to: codes.count, by: 100) {
      let part = Array(codes[start..<min(start + 100, codes.count)])
      let body = JSONValue.object([JSONValue.Member("codes", .array(part.map { .string($0) }))])
      let response = try await subject.adapter.perform(
        AdapterRequest(operation: .values, body: body.serialized), call)
      let json = try JSONValue(parsing: try await AdapterConformance.bytes(of: response.body))
      let read = json["ResultPointObjArr"]?.array?.compactMap { $0["pointId"]?.string } ?? []
      #expect(Set(read) == Set(part), "every listed object can be read")
    }
  }

  func survivesHostileCursors(_ subject: Subject) async throws {
    guard type(of: subject.adapter).listsObjects else { return }
    let call = try await call(subject)
    for cursor in Self.hostileCursors {
      guard let error = await listingError(subject, cursor, call), !isRaw else { continue }
      #expect(error.code == .badRequest, "\(cursor.prefix(40))")
      #expect(error.message.last == ".", "the message is a sentence: \(error.message)")
    }
  }

  private static let hostileCursors = [
    "", " ", "0", "-1", "+1", "1.5", "1e3", "0x10", "007", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "\u{0}", "null", "../..", "';--", "\u{0661}", "😀", String(repeating: "9", count: 100_000),
  ]

  func listed(_ subject: Subject, _ call: Call) async throws -> [ListedObject] {
    var objects: [ListedObject] = []
    var cursor: String?
    for _ in 0..<Self.maximumPages {
      let page = try await subject.adapter.objects(cursor, call)
      objects += page.objects
      guard let next = page.next else { return objects }
      cursor = next
    }
    Issue.record("the listing does not end")
    return objects
  }

  /// Returns the error of a request for a page; nil when there was a page.
  func listingError(_ subject: Subject, _ cursor: String?, _ call: Call) async -> AdapterError? {
    await adapterError { try await subject.adapter.objects(cursor, call) }
  }
}
