/// The rules by which `values` requests of several callers become one request, and by which its response is split.
///
/// An adapter that declares it promises three things of its upstream: it reads every point independently of the other points of
/// the request; its response is one JSON object that holds the points' elements in arrays; and the object's other members mean the
/// same for every caller. The host stops merging for the adapter when a response has a member that is not named here.
public struct PointMerging: Sendable {
  /// The name of the request's only member, the array of codes.
  public let codes: String
  /// The response's arrays with one element for each point.
  public let arrays: [Elements]
  /// The name of the member of each element that holds the point's code.
  public let id: String
  /// The names of the response's other members.
  public let common: [String]

  /// One array of the response.
  public struct Elements: Sendable {
    /// The name of the array in the response's object.
    public let member: String
    /// Whether the member is left out when it would be empty.
    public let isLeftOutWhenEmpty: Bool

    public init(_ member: String, isLeftOutWhenEmpty: Bool = false) {
      self.member = member
      self.isLeftOutWhenEmpty = isLeftOutWhenEmpty
    }
  }

  public init(codes: String, arrays: [Elements], id: String, common: [String]) {
    self.codes = codes
    self.arrays = arrays
    self.id = id
    self.common = common
  }
}
