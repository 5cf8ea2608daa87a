import AdapterAPI

/// The objects that WebTalk shows. It has no call that lists its points, so alarm configurations and alarms are read: their
/// points exist, and some have names. A point that is missing there may exist as well.
extension WebTalk {
  public static let listsObjects = true
  public static let listsAllObjects = false

  /// The days before now whose alarms are read.
  static let alarmDays: Int64 = 30
  /// The size limit of one response in bytes.
  static let maximumListing = 16 << 20

  public func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage {
    guard cursor == nil else {
      throw .badRequest("The cursor is not one of this adapter's; begin again without a cursor.")
    }
    var points = WebTalkPoints()
    if let body = try await whole(.alarmConfigs, Array("{}".utf8), call) { points.read(body) }
    if let body = try await whole(.alarms, alarmTimes, call) { points.read(body) }
    return ObjectPage(points.objects, next: nil)
  }

  /// The body of a call for the latest alarms. One day more at the end, because the upstream's time zone is not known.
  private var alarmTimes: [UInt8] {
    let now = clock.wall() / 1000
    var writer = PointTimeWriter(.local)
    return JSONWriter.object {
      $0.member("starttime", writer.text(PointTime(seconds: now - Self.alarmDays * 86_400)))
      $0.member("endtime", writer.text(PointTime(seconds: now + 86_400)))
    }
  }

  /// Returns the whole body of a successful response; nil after a business error, because an installation need not have
  /// alarms.
  private func whole(
    _ operation: Operation, _ body: [UInt8], _ call: Call
  ) async throws(AdapterError) -> [UInt8]? {
    let request = AdapterRequest(operation: operation, body: body)
    let upstream = try await client.send(try outgoing(request, call), deadline: call.deadline)
    let response = try self.response(to: request, upstream)
    guard response.verdict == .ok, !upstream.isEncoded else {
      if case .stream(_, let rest) = response.body { rest.cancel() }
      log.log(.warning, "the upstream lists no points in its alarms", [("operation", operation.rawValue)])
      return nil
    }
    guard case .stream(var bytes, let rest) = response.body else { return response.body.prefix }
    while let piece = try await rest.next() {
      bytes += piece
      guard bytes.count <= Self.maximumListing else {
        rest.cancel()
        throw .malformed("the response to \(operation.rawValue) has more than \(Self.maximumListing >> 20) MiB")
      }
    }
    return bytes
  }
}

/// Collects points from responses whose form is not documented: every object below the envelope with a member that names a
/// point.
struct WebTalkPoints {
  /// The names of members in lower case, without `_`; the first that an object has counts.
  private static let codes = ["pointid", "pointcode", "code"]
  private static let names = ["pointname", "name"]
  static let maximumText = 255

  private var order: [String] = []
  private var found: [String: String] = [:]

  /// Each point once, in the order in which it was found.
  var objects: [ListedObject] { order.map { ListedObject(code: $0, name: found[$0] ?? "", type: "") } }

  /// Reads one response. Another body than JSON has no points.
  mutating func read(_ body: [UInt8]) {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = body.starts(with: mark) ? Array(body.dropFirst(mark.count)) : body
    guard case .object(let members)? = try? JSONValue(parsing: text) else { return }
    // The envelope has a `code` of its own.
    for member in members { read(member.value) }
  }

  private mutating func read(_ value: JSONValue) {
    switch value {
    case .null, .flag, .number, .string: break
    case .array(let elements): for element in elements { read(element) }
    case .object(let members):
      if let code = Self.text(of: Self.codes, in: members) { add(code, Self.text(of: Self.names, in: members) ?? "") }
      for member in members { read(member.value) }
    }
  }

  private mutating func add(_ code: String, _ name: String) {
    if found[code] == nil { order.append(code) }
    // A configuration and several alarms may name the same point.
    if found[code] == nil || found[code] == "" { found[code] = name }
  }

  /// Returns the first usable text: not empty, not too long for the catalogue, and without control characters.
  private static func text(of names: [String], in members: [JSONValue.Member]) -> String? {
    for name in names {
      for member in members where isName(member.key, name) {
        guard let text = member.value.string, !text.isEmpty, text.unicodeScalars.count <= maximumText,
          !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else { continue }
        return text
      }
    }
    return nil
  }

  private static func isName(_ key: String, _ name: String) -> Bool {
    key.utf8.lazy.filter { $0 != UInt8(ascii: "_") }.map { $0 | 0x20 }.elementsEqual(name.utf8)
  }
}
