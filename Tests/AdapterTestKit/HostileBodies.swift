/// Valid JSON objects, which the host lets through, but with no meaning for any operation.
public enum HostileBodies {
  public static let objects: [String] =
    [
      #"{"codes":null}"#, #"{"codes":{}}"#, #"{"codes":"C_1"}"#, #"{"codes":[]}"#, #"{"codes":[1]}"#,
      #"{"codes":[null]}"#,
      #"{"codes":[""]}"#, #"{"codes":[["C_1"]]}"#, #"{"codes":["\ud800","\u0000"]}"#, #"{"aryPoints":null}"#,
      #"{"aryPoints":[]}"#, #"{"aryPoints":[1]}"#, #"{"aryPoints":[{}]}"#, #"{"aryPoints":[{"pointId":1,"value":1}]}"#,
      #"{"aryPoints":[{"pointId":"C_1"}]}"#, #"{"aryPoints":[{"pointId":"C_1","value":null}]}"#,
      #"{"aryPoints":[{"pointId":"C_1","value":1e999}]}"#, #"{"aryPoints":[{"pointId":"C_1","value":[]}]}"#,
      history(start: #""yesterday""#), history(start: "1"), history(start: #""2026-02-30 00:00:00""#),
      history(start: #""2026-06-20 24:00:00""#), history(end: #""0001-01-01 00:00:00""#),
      history(start: #""0001-01-01 00:00:00""#, end: #""9999-12-31 23:59:59""#), history(interval: "0"),
      history(interval: "-1"), history(interval: "0.5"), history(interval: "1e30"), history(interval: #""x""#),
      history(interval: "9223372036854775808"), history(interval: "1"),
      #"{"starttime":"2026-06-20 00:00:00","endtime":"2025-06-20 00:00:00"}"#, #"{"starttime":[],"endtime":{}}"#,
    ] + [
      #"{"codes":[\#(Array(repeating: "\"C_1\"", count: 100_000).joined(separator: ","))]}"#,
      #"{"x":\#(String(repeating: "[", count: 63))\#(String(repeating: "]", count: 63))}"#,
    ]

  private static func history(
    start: String = #""2026-06-01 00:00:00""#, end: String = #""2026-06-20 00:00:00""#, interval: String = "600"
  ) -> String {
    #"{"codes":["C_1"],"starttime":\#(start),"endtime":\#(end),"interval":\#(interval)}"#
  }
}
