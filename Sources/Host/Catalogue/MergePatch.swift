import AdapterAPI

/// JSON Merge Patch (RFC 7396): members of the patch replace those of the target, `null` removes them, the remaining
/// ones stay.
enum MergePatch {
  static func apply(_ patch: JSONValue, to target: JSONValue?) -> JSONValue {
    guard case .object(let changes) = patch else { return patch }
    guard case .object(let members)? = target else { return .object(merge(changes, into: [])) }
    return .object(merge(changes, into: members))
  }

  /// Merges `patch` into `members`. Existing members keep their positions; new ones are appended.
  static func merge(_ patch: [JSONValue.Member], into members: [JSONValue.Member]) -> [JSONValue.Member] {
    var places: [ObjectCode: Int] = [:]
    for (index, member) in members.enumerated() { places[ObjectCode(member.key)] = index }
    var merged: [JSONValue.Member?] = members
    for change in patch {
      let place = places[ObjectCode(change.key)]
      var new: JSONValue.Member?
      if change.value != .null {
        let old = place.flatMap { merged[$0]?.value }
        new = JSONValue.Member(change.key, apply(change.value, to: old))
      }
      if let place {
        merged[place] = new
      } else if let new {
        places[ObjectCode(change.key)] = merged.count
        merged.append(new)
      }
    }
    return merged.compactMap { $0 }
  }
}
