import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// The codes that are remembered from responses, and their merge into the catalogue.
@Suite(.stores) struct ReadCodesTests {
  private func response(_ elements: String) -> [UInt8] {
    Array(#"{"code":200,"ResultPointObjArr":[\#(elements)]}"#.utf8)
  }

  @Test(arguments: [
    (
      #"{"pointId":"A","value":18.5},{"pointId":"B","value":0},{"pointId":"C","value":false},{"pointId":"D","value":"on"}"#,
      ["A", "B", "C", "D"]
    ),
    (
      #"{"pointId":"A","value":null},{"pointId":"B","value":""},{"pointId":"C"},{"value":1},{"pointId":7,"value":1}"#,
      []
    ),
    (#"{"pointId":"A","value":1,"error":"stale"},{"pointId":"B","value":{}},{"pointId":"","value":1},7"#, []),
    (#"{"pointId":"a\nb","value":1},{"pointId":"\u0000","value":1},{"pointId":"Ä","value":1}"#, ["Ä"]),
    ("", []),
  ])
  func `only codes with good values count`(elements: String, codes: [String]) {
    #expect(ReadCodes.codes(in: response(elements)) == codes)
  }

  @Test func `of a response that is cut off, the whole elements count`() {
    let whole = response(#"{"pointId":"A","value":1},{"pointId":"B","value":"},{"},{"pointId":"C","value":3}"#)
    for length in 0..<whole.count {
      let codes = ReadCodes.codes(in: Array(whole[..<length]))
      #expect(codes == Array(["A", "B", "C"].prefix(codes.count)), "\(length)")
    }
    #expect(ReadCodes.codes(in: Array(whole.dropLast(3))) == ["A", "B"])
    #expect(ReadCodes.codes(in: [0xef, 0xbb, 0xbf] + whole) == ["A", "B", "C"])
    for other in ["", "[]", "x", #"{"ResultPointObjArr":{}}"#] {
      #expect(ReadCodes.codes(in: Array(other.utf8)).isEmpty)
    }
  }

  private func found(_ codes: ReadCodes, _ upstream: String) async -> [String]? { try? await codes.codes(of: upstream) }

  @Test(arguments: StoreKind.allCases)
  func `codes are stored once for each upstream, and found again by another process`(kind: StoreKind) async throws {
    try await withStores(kind, kind == .memory ? 1 : 2) { stores in
      await withLoops { group in
        let codes = ReadCodes(store: stores[0])
        for _ in 0..<3 {
          #expect(
            codes.offer(
              response(#"{"pointId":"B","value":1},{"pointId":"A","value":2}"#), from: "one", on: group.loops[0]))
        }
        #expect(codes.offer(response(#"{"pointId":"C","value":1}"#), from: "two", on: group.loops[0]))
        #expect(await found(codes, "one") == ["A", "B"])
        let other = ReadCodes(store: stores[stores.count - 1])
        #expect(
          other.offer(
            response(#"{"pointId":"A","value":1},{"pointId":"D","value":1}"#), from: "one", on: group.loops[0]))
        #expect(await found(other, "one") == ["A", "B", "D"])
        #expect(await found(other, "two") == ["C"])
      }
    }
  }

  @Test func `the number of codes is limited, and responses beyond the queue are not taken`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    await withLoops { group in
      let codes = ReadCodes(store: store)
      let many = (0..<ReadCodes.maximum + 10).map { #"{"pointId":"C\#($0)","value":1}"# }.joined(separator: ",")
      #expect(codes.offer(response(many), from: "one", on: group.loops[0]))
      #expect(await found(codes, "one")?.count == ReadCodes.maximum)
      #expect(codes.offer(response(#"{"pointId":"new","value":1}"#), from: "one", on: group.loops[0]))
      #expect(await found(codes, "one")?.contains("new") == false)
      let taken = (0..<1000).count { _ in codes.offer(response(many), from: "one", on: group.loops[0]) }
      #expect((ReadCodes.maximumWaiting..<1000).contains(taken))
      #expect(await found(codes, "one") != nil)
    }
  }

  @Test func `a list of codes is new once for each adapter, until its time is over`() {
    var lists = ReadLists()
    let now = Instant(nanoseconds: 1)
    func isNew(_ body: String, _ adapter: Int, at time: Instant) -> Bool {
      lists.isNew(Array(body.utf8), adapter, at: time)
    }
    let bodies = [
      #"{"codes":["A"]}"#, #"{"codes":["B"]}"#, #"{"codes":["A","B"]}"#, #"{"codes":["AAAAAAAA","BBBBBBBB"]}"#, "",
    ]
    for body in bodies {
      for adapter in [1, 2] {
        let before = isNew(body, adapter, at: now)
        lists.insert(Array(body.utf8), adapter)
        let after = isNew(body, adapter, at: now)
        #expect(before && !after, "\(body) \(adapter)")
      }
    }
    let early = isNew(bodies[0], 1, at: now + (ReadLists.life - .nanoseconds(1)))
    let late = isNew(bodies[0], 1, at: now + ReadLists.life)
    #expect(!early && late)
    for number in 0..<2 * ReadLists.maximum { lists.insert(Array("\(number)".utf8), 1) }
    let first = isNew("0", 1, at: now + ReadLists.life)
    #expect(first, "the lists are bounded")
  }

  // MARK: The merge of a list that is not whole

  private let rig = CatalogueRig()

  private func sync(_ listed: ListedObject..., isWhole: Bool = false) async throws -> String {
    let response = try await rig.catalogue.sync(adapter: "main", listed: listed, isWhole: isWhole, dryRun: false)
    return String(decoding: response.body.dropLast(), as: UTF8.self)
  }

  private func counts(_ created: Int, _ updated: Int, _ unchanged: Int) -> String {
    #"{"created":\#(created),"updated":\#(updated),"unchanged":\#(unchanged),"missing":[]}"#
  }

  @Test func `what a list that is not whole lacks is neither missing nor removed`() async throws {
    func point(_ code: String, _ name: String = "") -> ListedObject { ListedObject(code: code, name: name, type: "") }
    #expect(try await sync(point("A"), point("B", "Fan"), point("C", "Pump")) == counts(3, 0, 0))
    #expect(try await rig.list().map { $0["name"] } == ["A", "Fan", "Pump"])
    #expect(try await sync(point("A", "Supply"), point("B")) == counts(0, 1, 1), "a name is added, and none is lost")
    #expect(try await rig.list().map { $0["name"] } == ["Supply", "Fan", "Pump"])
    let id = try #require(try await rig.list().last?.id)
    _ = try await rig.ask(.patch(id: id), #"{"name":"Mine"}"#)
    #expect(try await sync(point("C", "Pump 2"), point("C2")) == counts(1, 0, 1), "a name by hand stays")
    #expect(try await rig.list("q=C").map { $0["name"] } == ["Mine", "C2"])
  }

  @Test func `a list that is not whole keeps type, description and metadata of an earlier whole one`() async throws {
    let whole = ListedObject(
      code: "A", name: "n", type: "sensor", description: "d",
      metadata: [.init("unit", .string("C")), .init("min", .number("0"))])
    _ = try await sync(whole, isWhole: true)
    let before = try await rig.list().map(\.value)
    #expect(try await sync(ListedObject(code: "A", name: "n", type: "")) == counts(0, 0, 1))
    #expect(try await rig.list().map(\.value) == before)
    let more = ListedObject(code: "A", name: "n", type: "meter", metadata: [.init("min", .number("1"))])
    #expect(try await sync(more) == counts(0, 1, 0))
    let object = try #require(try await rig.list().first)
    #expect(object["type"] == "meter" && object["description"] == "d" && object.metadata == #"{"unit":"C","min":1}"#)
  }
}
