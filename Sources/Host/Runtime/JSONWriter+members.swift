import AdapterAPI

// Whole members of an object; an absent value is written as `null`.

extension JSONWriter {
  mutating func member(_ key: String, _ value: String?) {
    self.key(key)
    if let value { string(value) } else { null() }
  }

  mutating func member(_ key: String, _ value: Int?) {
    self.key(key)
    if let value { integer(value) } else { null() }
  }

  mutating func member(_ key: String, _ value: Bool) {
    self.key(key)
    flag(value)
  }

  mutating func member(_ key: String, _ values: [String]) {
    member(key, arrayOf: values) { $0.string($1) }
  }

  /// Writes an array whose elements `write` adds one by one.
  mutating func member<Element>(
    _ key: String, arrayOf elements: [Element], _ write: (inout JSONWriter, Element) -> Void
  ) {
    self.key(key)
    array(of: elements, write)
  }

  mutating func array<Element>(of elements: [Element], _ write: (inout JSONWriter, Element) -> Void) {
    beginArray()
    for element in elements { write(&self, element) }
    endArray()
  }

  mutating func object(_ write: (inout JSONWriter) -> Void) {
    beginObject()
    write(&self)
    endObject()
  }
}
