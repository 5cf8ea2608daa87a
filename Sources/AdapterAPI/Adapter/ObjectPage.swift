/// One page of the points and devices that an upstream has, for the host's catalogue.
public struct ObjectPage: Sendable {
  public let objects: [ListedObject]
  /// What to ask for the next page with, opaque to the host; nil after the last one.
  public let next: String?

  public init(_ objects: [ListedObject], next: String?) {
    self.objects = objects
    self.next = next
  }
}

/// What an upstream says of one of its points or devices.
public struct ListedObject: Sendable, Equatable {
  /// What the operations name it by; the same in every listing, and nobody else's.
  public let code: String
  public let name: String
  /// `sensor`, `actuator`, `meter`, or the vendor's own word.
  public let type: String
  public let description: String?
  /// Whatever else is known: `unit`, `range: {min,max}`, `writable`, …; each key once.
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
