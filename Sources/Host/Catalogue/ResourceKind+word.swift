extension ResourceKind: CaseIterable {
  static let allCases: [ResourceKind] = [.objects, .widgets]
  var rawValue: String { self == .objects ? "objects" : "widgets" }
  init?(rawValue: String) {
    guard let kind = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = kind
  }
}
