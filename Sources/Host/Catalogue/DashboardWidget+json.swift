import AdapterAPI

extension DashboardWidget {
  /// Writes the widget as clients see it.
  func write(to json: inout JSONWriter) {
    json.object {
      $0.member("id", id)
      $0.member("title", title)
      $0.member("dataType", dataType)
      $0.member("kind", kind)
      $0.member("codes", codes)
      $0.key("layout")
      $0.object {
        $0.member("x", layout.x)
        $0.member("y", layout.y)
        $0.member("w", layout.w)
        $0.member("h", layout.h)
      }
      $0.key("options")
      // Stored as JSON, so that numbers keep their text.
      $0.json(options)
      $0.member("sortOrder", sortOrder)
    }
  }
}
