import AdapterAPI

/// WebTalk, the default upstream: its wire is the contract, so bodies pass in both directions byte for byte.
///
/// What it adds to a request is the path, the application's id and the token; what it reads of an answer is the HTTP
/// status and the top-level `code`, to learn whether the token was refused and whether the answer is a failure.
///
/// What becomes of an answer:
///
/// | answer | result |
/// | --- | --- |
/// | HTTP 401, or `code` 301 or 302 | `.tokenRejected` |
/// | HTTP 2xx with an object | passed on; a `code` other than 200 makes it a business error |
/// | HTTP 2xx with anything else (HTML, nothing) | `.malformed`: a false success is worse than a failure |
/// | HTTP 3xx | `.malformed`: redirects are not followed |
/// | HTTP 4xx, 5xx | passed on with its status, as a business error |
///
/// An answer with a `Content-Encoding` is not looked into. Of a long answer only the first 64 KiB are.
public struct WebTalk: RawAdapter {
  public static let typeName = "webtalk"
  public static let operations = Set(Operation.allCases)
  public static let credentialFields = ["Token", "appId"]
  /// A point that is not known is missing from the array; `error` stands in answers to failed calls only.
  public static let merging: PointMerging? = PointMerging(
    codes: "codes", arrays: [PointMerging.Elements("ResultPointObjArr")], id: "pointId", common: ["code", "msg"])

  public static let settings = [
    SettingDescription("base_url", "url", default: nil, "where WebTalk answers; a path is kept before every call"),
    SettingDescription("app_id", "secret", default: nil, "the application's id, WebTalk's only credential"),
    SettingDescription(
      "time_zone", "text", default: "", "the zone of the upstream's local times, for later readers of them"),
  ]

  public let upstream: UpstreamIdentity
  let appID: Secret
  public let client: any HTTPClient
  let clock: any GatewayClock
  /// The header fields that every call has, up to where the token's value begins.
  private let fixedFields: [UInt8]

  public init(settings: Settings, context: AdapterContext) throws(ConfigError) {
    let baseURL = settings.baseURL("base_url")
    let appID = settings.secret("app_id")
    _ = settings.optionalText("time_zone")
    if !appID.exposed.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) {
      settings.error(
        "'app_id' has characters that no header may have; it must be visible ASCII without spaces", at: "app_id")
    }
    self.init(baseURL: baseURL, appID: appID, context: context)
  }

  private init(baseURL: BaseURL, appID: Secret, context: AdapterContext) {
    self.appID = appID
    client = context.client(for: baseURL)
    clock = context.clock
    upstream = UpstreamIdentity(type: WebTalk.typeName, address: baseURL.description, account: appID)
    fixedFields = Array("appId: \(appID.exposed)\r\nContent-Type: application/json\r\nToken: ".utf8)
  }

  public func outgoing(_ request: AdapterRequest, _ call: Call) throws(AdapterError) -> HTTPRequest {
    guard let token = call.token else { throw .tokenRejected("the call came without a token") }
    let takesProperty = request.operation == .values || request.operation == .history
    let fields = WebTalkFields.request(
      fixed: fixedFields, token: token.access, caller: request.allFields, takesProperty: takesProperty)
    let body = request.body.isEmpty ? Array("{}".utf8) : request.body
    return HTTPRequest(
      .post, WebTalk.target(of: request.operation), fields: fields, body: body, for: request.operation)
  }

  private static func target(of operation: Operation) -> String {
    switch operation {
    case .values: "/_webtalk/_cur/api/getCodesVal"
    case .history: "/_webtalk/_cur/api/getCodesHisVal"
    case .set: "/_webtalk/_cur/api/setCodesVal"
    case .forceSet: "/_webtalk/_cur/api/forceSetCodesVal"
    case .alarms: "/_webtalk/_cur/api/getHisAlarms"
    case .alarmConfigs: "/_webtalk/_cur/api/getAlarmConfigs"
    }
  }

  /// How much of an answer is looked into.
  static let looksInto = 64 << 10

  /// What an answer means, by its status and its top-level `code`.
  public func verdict(of answer: HTTPResponse) throws(AdapterError) -> AdapterResponse.Verdict {
    if answer.status == 401 { throw .tokenRejected("the upstream answered HTTP 401") }
    if (300..<400).contains(answer.status) {
      throw .malformed(
        "the upstream answered with a redirect (HTTP \(answer.status)), which is not followed; check base_url")
    }
    let isSuccess = (200..<300).contains(answer.status)
    let otherwise = AdapterResponse.Verdict.businessError(code: answer.status)
    guard !answer.isEncoded else { return isSuccess ? .ok : otherwise }

    let prefix = answer.body.prefix
    if isSuccess, TopLevel.firstByte(of: prefix) != UInt8(ascii: "{") {
      throw .malformed("the upstream answered HTTP \(answer.status) with something that is no JSON object")
    }
    // Counted here: how much the client holds back depends on how the bytes arrived, and the verdict may not.
    let code = prefix.withUnsafeBufferPointer {
      TopLevel.code(in: UnsafeBufferPointer(rebasing: $0[..<min($0.count, WebTalk.looksInto)]))
    }
    switch code {
    case 301: throw .tokenRejected("the upstream answered code 301: the token has expired")
    case 302: throw .tokenRejected("the upstream answered code 302: the token's signature is not right")
    case 200, nil: return isSuccess ? .ok : otherwise
    case let code?: return .businessError(code: code)
    }
  }
}
