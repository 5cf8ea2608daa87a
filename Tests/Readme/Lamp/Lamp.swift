import AdapterAPI

/// A building with one lamp.
public struct Lamp: PointAdapter {
  public static let typeName = "lamp"
  public static let operations: Set<Operation> = [.values]
  public static let settings = [SettingDescription("code", "text", default: "LAMP", "the lamp's code")]

  public let upstream: UpstreamIdentity
  public var usesToken: Bool { false }
  private let code: String
  private let clock: any GatewayClock

  public init(settings: Settings, context: AdapterContext) throws(ConfigError) {
    code = settings.text("code", default: "LAMP")
    clock = context.clock
    upstream = UpstreamIdentity(type: Lamp.typeName, address: "lamp:\(code)", account: Secret("none"))
  }

  public func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading] {
    let now = PointTime(seconds: clock.wall() / 1000)
    return codes.map { wanted in
      PointReading(wanted, wanted == code ? .success(PointSample(.flag(true), at: now)) : .failure(.unknown))
    }
  }
}
