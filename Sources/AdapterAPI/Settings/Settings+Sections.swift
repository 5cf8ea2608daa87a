// Mappings inside a mapping.

extension Settings {
  /// Returns the mapping under a key: nil when the key is absent, empty when it has no value.
  ///
  /// - Parameter example: A correct value, for the message about another one.
  public func section(_ key: String, like example: String? = nil) -> Settings? {
    node(key).map {
      Settings($0, path: path(of: key), problems: problems, resolver: resolver, example: example)
    }
  }

  /// Returns an empty mapping for a key that is absent: every key of it has its default, and a missing key is reported at this
  /// mapping.
  public func emptySection(_ key: String) -> Settings {
    Settings(ConfigNode(.mapping([]), at: position), path: path(of: key), problems: problems, resolver: resolver)
  }

  /// Returns the list of mappings under a key; empty when the key is absent.
  public func sections(_ key: String) -> [Settings] {
    guard let node = node(key) else { return [] }
    guard case .sequence(let items) = node.content else {
      if !node.isNull { problems.error("'\(path(of: key))' must be a list, not \(node.kind)", at: node.position) }
      return []
    }
    return items.enumerated().map { number, item in
      Settings(item, path: "\(path(of: key))[\(number)]", problems: problems, resolver: resolver)
    }
  }

  /// Returns the named mappings under a key, in the order of the file; empty when the key is absent.
  public func namedSections(_ key: String) -> [(name: String, position: SourcePosition, settings: Settings)] {
    guard let node = node(key) else { return [] }
    guard case .mapping(let entries) = node.content else {
      if !node.isNull {
        problems.error("'\(path(of: key))' must be a mapping of names, not \(node.kind)", at: node.position)
      }
      return []
    }
    return entries.map { entry in
      let path = "\(path(of: key)).\(Spelling.printable(entry.key))"
      return (
        entry.key, entry.keyPosition, Settings(entry.value, path: path, problems: problems, resolver: resolver)
      )
    }
  }
}
