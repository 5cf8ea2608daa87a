// Mappings inside this one.

extension Settings {
  /// The mapping under that key; nil when absent, empty when nothing is written behind it.
  ///
  /// - Parameter example: How it is written; said to who wrote something else.
  public func section(_ key: String, like example: String? = nil) -> Settings? {
    node(key).map {
      Settings($0, path: path(of: key), problems: problems, resolver: resolver, example: example)
    }
  }

  /// An empty mapping in the place of one that is not written: every key has its default, and what is missing is
  /// reported at this mapping.
  public func emptySection(_ key: String) -> Settings {
    Settings(ConfigNode(.mapping([]), at: position), path: path(of: key), problems: problems, resolver: resolver)
  }

  /// The list of mappings under that key; empty when absent.
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

  /// The mappings under that key, each under a name of its own, in the order of the file; empty when absent.
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
