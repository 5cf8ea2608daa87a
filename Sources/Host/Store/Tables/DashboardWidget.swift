/// One tile of the dashboard that all users share.
struct DashboardWidget: Sendable, Equatable {
  /// Where it stands on the dashboard's grid, and how many cells it takes.
  struct Layout: Sendable, Equatable {
    var x = 0
    var y = 0
    var w = 1
    var h = 1
  }

  /// A UUID in lower case.
  var id: String
  var title: String
  /// What it shows: `iot` binds it to points.
  var dataType = "iot"
  /// How it shows it: `value`, `gauge`, `switch`, `trend`, `state` or `alarms`.
  var kind: String
  /// The objects it is bound to, which need not exist.
  var codes: [String] = []
  var layout = Layout()
  /// One JSON object as compact text, numbers as they were written.
  var options = "{}"
  var sortOrder = 0
}
