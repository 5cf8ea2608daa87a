import AdapterAPI
import Testing

@testable import Host

@Suite struct FrontCallTests {
  private func match(_ method: RequestHead.Method, _ below: String) -> FrontCall.Match {
    FrontCall.match(method: method, below: Array(below.utf8))
  }

  @Test func `each name of WebTalk's is one operation, and the token is read with GET`() {
    let names: [(String, AdapterAPI.Operation)] = [
      ("/getCodesVal", .values), ("/getCodesHisVal", .history), ("/setCodesVal", .set),
      ("/forceSetCodesVal", .forceSet), ("/getHisAlarms", .alarms), ("/getAlarmConfigs", .alarmConfigs),
    ]
    for (name, operation) in names {
      #expect(match(.post, name) == .call(.operation(operation)))
      for method in [RequestHead.Method.get, .head, .put, .options, .other] {
        #expect(match(method, name) == .methodNotAllowed(allow: "POST"))
      }
    }
    #expect(match(.get, "/access_token") == .call(.token) && match(.head, "/access_token") == .call(.token))
    #expect(match(.post, "/access_token") == .methodNotAllowed(allow: "GET, HEAD"))
  }

  @Test(arguments: [
    "", "/", "/getCodesVal/", "//getCodesVal", "/getcodesval", "/getCodesVal2", "getCodesVal", "/values",
    "/access_toKen",
    "/access_to\u{212A}en", "/%67etCodesVal",
  ])
  func `other paths belong to no call`(_ path: String) {
    #expect(match(.post, path) == .notFound && match(.get, path) == .notFound)
  }

  private func query(_ text: String) throws -> FrontTokenQuery {
    try Array(text.utf8).withUnsafeBufferPointer { try FrontTokenQuery($0) }
  }

  @Test func `the query is decoded as a form, and unknown parameters are ignored`() throws {
    let read = try query("x=1&grant_type=ref%72esh&appId=a+b%2Bc%26&&refreshToken=a=b&refreshtoken=y&x=2")
    #expect(read.grantType == "refresh" && read.appID == Array("a b+c&".utf8) && read.refreshToken == Array("a=b".utf8))
    let none = try query("grant_type")
    #expect(none.grantType.isEmpty && none.appID.isEmpty && none.refreshToken.isEmpty)
  }

  @Test(arguments: [
    "appId=a&appId=a", "appId=&appId=a", "appId&appId", "appId=a&%61ppId=b", "grant_type=refresh&grant_type=refresh",
    "refreshToken=a&refreshToken=b", "appId=%", "appId=%4", "appId=%4g", "%=1",
  ])
  func `a query with two meanings or a wrong encoding is refused`(_ text: String) {
    #expect(throws: GatewayError.self) { try query(text) }
  }
}
