/// How `values` of an adapter can be asked for several callers at once, and how the answer is cut for each of them.
///
/// Declaring it promises three things of the upstream: it reads every point for itself, whatever else stands in the request;
/// its answer is one JSON object that holds the points' elements in arrays; and the object's other members mean the same for
/// everybody who asked. A member that is not named here is not understood, and the host then stops merging for the adapter.
public struct PointMerging: Sendable {
  /// The request's only member, the array of codes.
  public let codes: String
  /// The answer's arrays with an element for a point.
  public let arrays: [Elements]
  /// Each element's member that says which point it is of.
  public let id: String
  /// The answer's other members.
  public let common: [String]

  /// One array of the answer.
  public struct Elements: Sendable {
    /// Its name in the answer's object.
    public let member: String
    /// The member is left out where it would be empty.
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
