/// One tile of the dashboard that all users share.
struct DashboardWidget: Sendable, Equatable {
  /// The position on the dashboard's grid and the size, in cells.
  struct Layout: Sendable, Equatable {
    var x = 0
    var y = 0
    var w = 1
    var h = 1
  }

  /// A UUID in lower case.
  var id: String
  var title: String
  /// The kind of data: `iot` binds the widget to points.
  var dataType = "iot"
  /// The form of display: `value`, `gauge`, `switch`, `trend`, `state` or `alarms`.
  var kind: String
  /// The codes of the objects that the widget shows. The objects need not exist.
  var codes: [String] = []
  var layout = Layout()
  /// A JSON object as compact text. Numbers keep their original text.
  var options = "{}"
  var sortOrder = 0
}
