import AdapterAPI

/// WebTalk, the default upstream. It speaks the contract, so bodies pass in both directions byte for byte.
///
/// The adapter adds the path, the application's id and the token to a request. Of a response it reads the HTTP status and the
/// top-level `code`, to learn whether the token was refused and whether the operation failed.
///
/// | response | result |
/// | --- | --- |
/// | HTTP 401, or `code` 301 or 302 | `.tokenRejected` |
/// | HTTP 2xx with a JSON object | passed on; with a `code` other than 200 as a business error |
/// | HTTP 2xx with another body (HTML, empty) | `.malformed`: a false success is worse than a failure |
/// | HTTP 3xx | `.malformed`: redirects are not followed |
/// | HTTP 4xx, 5xx | passed on with its status, as a business error |
///
/// A response with a `Content-Encoding` is not read. Of a long response only the first 64 KiB are read.
public struct WebTalk: RawAdapter {
  public static let typeName = "webtalk"
  public static let operations = Set(Operation.allCases)
  public static let credentialFields = ["Token", "appId"]
  /// An unknown point is missing from the array. Only responses to failed calls have `error`.
  public static let merging: PointMerging? = PointMerging(
    codes: "codes", arrays: [PointMerging.Elements("ResultPointObjArr")], id: "pointId", common: ["code", "msg"])

  public static let settings = [
    SettingDescription("base_url", "url", default: nil, "the address of WebTalk; its path precedes that of every call"),
    SettingDescription("app_id", "secret", default: nil, "the application's id, WebTalk's only credential"),
    SettingDescription(
      "time_zone", "text", default: "", "the time zone of the upstream's local times; reserved for later versions"),
  ]

  public let upstream: UpstreamIdentity
  let appID: Secret
  public let client: any HTTPClient
  let clock: any GatewayClock
  let log: any AdapterLog
  /// The header fields of every call, up to the beginning of the token's value.
  private let fixedFields: [UInt8]

  public init(settings: Settings, context: AdapterContext) throws(ConfigError) {
    let baseURL = settings.baseURL("base_url")
    let appID = settings.secret("app_id")
    _ = settings.optionalText("time_zone")
    if !appID.exposed.utf8.allSatisfy(Fields.isVisible) {
      settings.error(
        "'app_id' has characters that no header field may have; it must be visible ASCII without spaces", at: "app_id")
    }
    self.init(baseURL: baseURL, appID: appID, context: context)
  }

  private init(baseURL: BaseURL, appID: Secret, context: AdapterContext) {
    self.appID = appID
    client = context.client(for: baseURL)
    clock = context.clock
    log = context.log
    upstream = UpstreamIdentity(type: WebTalk.typeName, address: baseURL.description, account: appID)
    fixedFields = Array("appId: \(appID.exposed)\r\nContent-Type: application/json\r\nToken: ".utf8)
  }

  public func outgoing(_ request: AdapterRequest, _ call: Call) throws(AdapterError) -> HTTPRequest {
    guard let token = call.token else { throw .tokenRejected("the call has no token") }
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

  /// The number of bytes of a response in which the code is searched.
  static let searchedBytes = 64 << 10

  /// Returns the meaning of a response, judged by its status and its top-level `code`.
  public func verdict(of response: HTTPResponse) throws(AdapterError) -> AdapterResponse.Verdict {
    if response.status == 401 { throw .tokenRejected("the upstream responded with HTTP 401") }
    if (300..<400).contains(response.status) {
      throw .malformed(
        "the upstream responded with a redirect (HTTP \(response.status)), which is not followed; check base_url")
    }
    let isSuccess = (200..<300).contains(response.status)
    let otherwise = AdapterResponse.Verdict.businessError(code: response.status)
    guard !response.isEncoded else { return isSuccess ? .ok : otherwise }

    let prefix = response.body.prefix
    // A zero byte behind the brace: UTF-16 or UTF-32 without a mark.
    let isObject = TopLevel.firstByte(of: prefix) == UInt8(ascii: "{") && !(prefix.count > 1 && prefix[1] == 0)
    if isSuccess, !isObject {
      let form = TopLevel.foreignEncoding(of: prefix) ?? "that is not a JSON object"
      throw .malformed("the upstream responded with HTTP \(response.status) and a body \(form)")
    }
    // Limited here, because the length of the prefix depends on how the bytes arrived, and the verdict must not.
    let code = prefix.withUnsafeBufferPointer {
      TopLevel.code(in: UnsafeBufferPointer(rebasing: $0[..<min($0.count, WebTalk.searchedBytes)]))
    }
    switch code {
    case 301: throw .tokenRejected("the upstream responded with code 301: the token has expired")
    case 302: throw .tokenRejected("the upstream responded with code 302: the token's signature is invalid")
    case 200, nil: return isSuccess ? .ok : otherwise
    case let code?: return .businessError(code: code)
    }
  }
}
