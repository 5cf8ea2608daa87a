import AdapterAPI

// The keys of a route with operation: webtalk-front.

extension ConfigurationReader {
  private static let frontKeys = ["apps", "token_life", "refresh_life"]
  /// The keys of a route that have no effect on a front.
  private static let keysOfOtherRoutes = [
    ("method", "a front takes the methods of its calls"),
    ("auth", "a front's callers have tokens of its own"),
    ("business_errors", "a front's clients read the code in the body"),
  ]
  private static let year = Duration.seconds(366 * 86_400)

  /// Reports the keys of a front on a route that is not a front.
  ///
  /// - Parameter isKnown: whether the route's operation exists. A mistyped one is reported alone.
  func refuseFrontKeys(_ section: Settings, isKnown: Bool) {
    for key in Self.frontKeys where section.contains(key) {
      section.ignore([key])
      guard isKnown else { continue }
      section.error("'\(key)' belongs to operation: \(Configuration.Front.operation) only", at: key)
    }
  }

  func readFront(_ section: Settings) -> Configuration.Front {
    var front = Configuration.Front(apps: readApps(section))
    front.tokenLife = section.duration("token_life", default: front.tokenLife, in: .seconds(1)...Self.year)
    front.refreshLife = section.duration("refresh_life", default: front.refreshLife, in: .seconds(1)...Self.year)
    if front.refreshLife < front.tokenLife {
      section.error(
        "'refresh_life' in \(section.path) is shorter than 'token_life', so no token could be refreshed; make it longer",
        at: section.contains("refresh_life") ? "refresh_life" : "token_life")
    }
    for (key, reason) in Self.keysOfOtherRoutes where section.contains(key) {
      section.error("'\(key)' has no use in \(section.path), as \(reason); remove it", at: key)
      section.ignore([key])
    }
    return front
  }

  private func readApps(_ section: Settings) -> [Configuration.Front.App] {
    let errors = problems.errorCount
    let sections = section.sections("apps")
    if sections.isEmpty, problems.errorCount == errors {
      let isListed = section.contains("apps")
      section.error(
        "'apps' in \(section.path) is \(isListed ? "empty" : "missing"), so no program could log in; "
          + "write apps: [{app_id: {env: ECOCTRL_APP_ID}, subject: ecoctrl}]", at: isListed ? "apps" : nil)
    }
    var apps: [Configuration.Front.App] = []
    for section in sections {
      let app = Configuration.Front.App(
        id: section.secret("app_id"), subject: section.text("subject"), roles: section.texts("roles"))
      section.finish()
      if !app.id.exposed.utf8.allSatisfy(Fields.isVisible) {
        section.error(
          "'app_id' in \(section.path) has characters that no header field may have; "
            + "it must be visible ASCII without spaces", at: "app_id")
      } else if let number = apps.firstIndex(where: { $0.id == app.id && !app.id.exposed.isEmpty }) {
        section.error(
          "'app_id' in \(section.path) has the same value as in apps[\(number)]; give each program an id of its own",
          at: "app_id")
      }
      apps.append(app)
    }
    return apps
  }

  /// Reports a front whose calls would all be refused.
  func checkFront(_ front: Configuration.Front, _ route: Configuration.Route, _ section: Settings) {
    if route.path.utf8.last == UInt8(ascii: "/") {
      section.error("'path' in \(section.path) must not end with '/': the calls begin with one", at: "path")
    }
    for (key, roles) in [("roles", route.roles), ("write_roles", route.writeRoles)] where !roles.isEmpty {
      guard !front.apps.isEmpty, !front.apps.contains(where: { !Set($0.roles).isDisjoint(with: roles) }) else {
        continue
      }
      section.warning(
        "no program in 'apps' has one of the roles \(roles.joined(separator: ", ")) that '\(key)' requires; "
          + "give one to it", at: section.contains(key) ? key : "apps")
      return
    }
  }

  /// Reports a front without an HS256 secret, which its tokens' key is derived from.
  func checkFrontSecret(_ routes: [Configuration.Route], _ auth: Configuration.Auth) {
    guard let route = routes.first(where: { $0.front != nil }), !auth.keys.isEmpty, auth.firstSharedSecret == nil,
      !hasSharedSecretEntry
    else { return }
    problems.error(
      "operation: \(Configuration.Front.operation) signs its tokens with a key that is derived from an HS256 secret, "
        + "and auth.keys has none; add - {alg: HS256, secret: {env: JWT_SECRET}}", at: route.position)
  }

  /// Whether an HS256 key is written in `auth.keys`. If it has a mistake, that has been reported.
  private var hasSharedSecretEntry: Bool {
    guard case .mapping(let auth)? = root.node("auth")?.content,
      case .sequence(let keys)? = auth.first(where: { $0.key == "keys" })?.value.content
    else { return false }
    return keys.contains { key in
      guard case .mapping(let members) = key.content else { return false }
      return members.contains { member in
        guard member.key == "alg", case .scalar("HS256", _) = member.value.content else { return false }
        return true
      }
    }
  }
}
