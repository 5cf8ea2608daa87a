import AdapterAPI
import Testing

@testable import Host

/// `GET /api/objects?metadata.KEY=value`, on both databases.
@Suite(.stores) struct MetadataFilterTests {
  private static let objects = #"""
    [{"code":"A","type":"sensor","metadata":{"unit":"°C","range":{"min":0,"max":1.10},"writable":true}},
     {"code":"B","type":"meter","metadata":{"unit":"°C","range":{"min":"0"},"writable":"true","none":null}},
     {"code":"C","metadata":{"unit":"°c","range":[0],"n":12345678901234567890,"writable":false}},
     {"code":"D","metadata":{"range.min":0,"n":12345678901234567891,"e\"\\'[0].$":"odd","":"empty"}},
     {"code":"E","metadata":{"unit":["°C"],"text":"it's 100% $1; --","n":1e2,"none":"null","blank":""}}]
    """#

  private func codes(_ rig: CatalogueRig, _ query: String) async throws -> [String] {
    try await rig.list(query).map { $0["code"] }
  }

  private static let filters: [(query: String, found: [String])] = [
    ("metadata.unit=%C2%B0C", ["A", "B"]), ("metadata.unit=°C", ["A", "B"]), ("metadata.unit=%C2%B0c", ["C"]),
    ("metadata.unit=C", []), ("metadata.none=x", []), ("metadata.Unit=%C2%B0C", []),
    // Numbers, booleans and null by their JSON value, and as text.
    ("metadata.range.min=0", ["A", "B", "D"]), ("metadata.range.min=0.0", ["A", "D"]),
    ("metadata.range.min=0e7", ["A", "D"]),
    ("metadata.range.max=1.1", ["A"]), ("metadata.range.max=1.10000000000000000001", []), ("metadata.n=100", ["E"]),
    ("metadata.n=12345678901234567890", ["C"]), ("metadata.n=12345678901234567891", ["D"]),
    ("metadata.n=1e999999999", []),
    ("metadata.writable=true", ["A", "B"]), ("metadata.writable=false", ["C"]), ("metadata.writable=True", []),
    ("metadata.none=null", ["B", "E"]), ("metadata.blank=", ["E"]), ("metadata.unit=", []),
    // A path leads into objects only.
    ("metadata.range=0", []), ("metadata.range.0=0", []), ("metadata.unit.0=%C2%B0C", []),
    ("metadata.range.min.x=0", []),
    // Texts with a meaning elsewhere.
    ("metadata.text=it's+100%25+$1;+--", ["E"]), ("metadata.e%22%5C'%5B0%5D.$=odd", ["D"]),
    ("metadata.unit='+OR+1=1+--", []),
    ("metadata.x'))+OR+1=1+--=1", []), ("metadata.x%22%5D=1", []), ("metadata.unit=%25", []), ("metadata.$=1", []),
    ("metadata.unit=%7B%7D", []), ("metadata.unit=%5B%22%C2%B0C%22%5D", []),
    // With each other and with the other parameters.
    ("metadata.unit=%C2%B0C&metadata.range.min=0", ["A", "B"]), ("metadata.unit=%C2%B0C&metadata.writable=false", []),
    ("metadata.unit=%C2%B0C&type=meter", ["B"]), ("q=a&metadata.unit=%C2%B0C", ["A"]),
  ]

  @Test(arguments: StoreKind.allCases)
  func `filters on metadata are exact, by JSON value, and combine with the other parameters`(kind: StoreKind)
    async throws
  {
    let rig = CatalogueRig(store: Store(LazyDatabase(kind)))
    _ = try await rig.ask(.importAll, Self.objects)
    for (query, found) in Self.filters {
      #expect(try await codes(rig, query) == found, "\(query)")
    }
    #expect(try await codes(rig, "").count == 5)
  }

  @Test(arguments: StoreKind.allCases)
  func `pages of a filtered list are linked with their filters`(kind: StoreKind) async throws {
    let rig = CatalogueRig(store: Store(LazyDatabase(kind)))
    let rows = (100..<130).map { #"{"code":"C\#($0)","metadata":{"a b":{"°":\#($0 % 3)}}}"# }
    _ = try await rig.ask(.importAll, "[\(rows.joined(separator: ","))]")
    var seen: [String] = []
    var query: String? = "metadata.a%20b.%C2%B0=1&limit=4"
    while let asked = query {
      let response = try await rig.ask(.list, query: asked)
      seen += (try JSONValue(parsing: response.body).array ?? []).compactMap { $0["code"]?.string }
      query = response.fields["link"].flatMap { $0.split(separator: "?").last?.split(separator: ">").first }.map(
        String.init)
    }
    #expect(seen == (100..<130).filter { $0 % 3 == 1 }.map { "C\($0)" })
  }

  @Test(arguments: [
    "metadata=1", "metadata.=1", "metadatax.unit=1", "Metadata.unit=1", "metadata.unit=1&metadata.unit=2",
    "metadata.u=%00",
    "metadata.%00=1", "metadata.u=%FF", "metadata.u=%", "metadata.\(String(repeating: "a.", count: 70))b=1",
    (1...11).map { "metadata.k\($0)=1" }.joined(separator: "&"), "limit=2.5", "limit=0", "limit=1e9", "limit=true",
  ])
  func `a query that is not understood is refused`(query: String) async {
    #expect(await CatalogueRig().refusal(.list, query: query)?.status == 400, "\(query)")
  }
}
