/// One page of the points and devices of an upstream, for the host's catalogue.
public struct ObjectPage: Sendable {
  public let objects: [ListedObject]
  /// The cursor of the next page, opaque to the host; nil after the last one.
  public let next: String?

  public init(_ objects: [ListedObject], next: String?) {
    self.objects = objects
    self.next = next
  }
}

/// One point or device of an upstream.
public struct ListedObject: Sendable, Equatable {
  /// The code that the operations use; unique, and the same in every listing.
  public let code: String
  /// A name for people.
  public let name: String
  /// `sensor`, `actuator`, `meter`, or the vendor's own word.
  public let type: String
  public let description: String?
  /// Further properties: `unit`, `range: {min,max}`, `writable`, …; each key once.
  public let metadata: [JSONValue.Member]

  public init(
    code: String, name: String, type: String, description: String? = nil, metadata: [JSONValue.Member] = []
  ) {
    self.code = code
    self.name = name
    self.type = type
    self.description = description
    self.metadata = metadata
  }
}
