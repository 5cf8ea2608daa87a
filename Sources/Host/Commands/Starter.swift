/// A small commented configuration, as `pointgate init NAME` prints it.
///
/// `demo` and `ecoctrl` are `config/demo.yaml` and `config/ecoctrl.yaml`, byte for byte (a test compares them).
struct Starter: Sendable {
  let name: String
  let summary: String
  let text: String

  static let all = [demo, ecoctrl, twoVendors]

  /// Returns the configuration of that name.
  static func named(_ name: String) -> Starter? { all.first { $0.name == name } }

  static let demo = Starter(
    name: "demo", summary: "a simulated building in memory",
    text: """
      # A demonstration without an upstream: a small simulated building in memory.
      #
      #   JWT_SECRET=$(openssl rand -hex 32) pointgate run -c config/demo.yaml
      #
      # Every response has the header X-Gateway-Source: mock, so that its values cannot be mistaken for real ones.

      \(listeners)
      store:
        type: memory

      adapters:
        demo:
          type: mock
          settings: {points: 60, seed: 42}

      defaults:
        adapter: demo

      routes:
        - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      \(operations)
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set}
      \(alarms)
        # The object catalogue and the dashboard. The catalogue's "sync" adds the points of the building.
      \(resources)

      """)

  static let ecoctrl = Starter(
    name: "ecoctrl", summary: "a replacement for EcoCtrl's own proxy, in its database",
    text: """
      # Replaces EcoCtrl's own proxy: the same paths, the same variables, the same tokens of its users, its database.
      # docs/from-ecoctrl.md describes the change step by step, and the way back.
      #
      # Put a copy of EcoCtrl's .env.local beside this file. Four of its variables are read: BASE_URL, APP_ID, JWT_SECRET and
      # DATABASE_URL. It must be a copy: EcoCtrl's own BASE_URL becomes this gateway's address, and here it stays WebTalk's.
      #
      # EcoCtrl's web pages in development use port 8080 too; choose another one for listen.address there.

      \(listeners)
      # Any number of gateways may share the database. EcoCtrl has tables "objects" and "dashboard_widgets" of its own, so
      # the gateway's tables are in a schema beside them. EcoCtrl's token is copied once; EcoCtrl's tables are not changed.
      store:
        type: postgres
        url: {env: DATABASE_URL}
        schema: pointgate

      adapters:
        main:
      \(upstream)

      defaults:
        adapter: main
        # The tokens of EcoCtrl's users carry no role, so no route here requires one.
        roles: []

      routes:
        # EcoCtrl's server calls WebTalk itself, for lighting, workflows and AI. With this gateway's address as its BASE_URL, and
        # the same APP_ID as before, it calls this route instead, and any adapter may answer it.
        - path: /_webtalk/_cur/api
          operation: webtalk-front
          apps: [{app_id: {env: APP_ID}, subject: ecoctrl}]
          coalesce: true

        # EcoCtrl's own routes, for its users' tokens. The first one shows eight characters of the upstream's token, as
        # EcoCtrl does.
        - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      \(operations)
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set}
      \(alarms)
      \(resources)

      """)

  static let twoVendors = Starter(
    name: "two-vendors", summary: "a real upstream and a simulated one side by side",
    text: """
      # Two vendors in one gateway: a real building behind WebTalk, and a simulated one under paths of its own.
      #
      # Set BASE_URL, APP_ID and JWT_SECRET (at least 32 bytes) in the environment, or in a file .env.local beside this one.

      \(listeners)
      # Stores what must outlive a restart: the upstreams' tokens, the catalogue and the dashboard.
      store:
        type: sqlite
        path: var/pointgate.db

      adapters:
        main:
      \(upstream)
        demo:
          type: mock
          settings: {points: 60, seed: 42}

      # The adapter of every route that names none. Write adapter: demo and reload, and all of them have the other vendor.
      defaults:
        adapter: main

      routes:
        - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      \(operations)
        # Writes past the upstream's own checks: only for callers whose token has this role.
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set, roles: [admin]}
      \(alarms)
      \(resources)

        # The second vendor, by its name.
        - {method: POST, path: /api/demo/codes/values, operation: values, coalesce: true, adapter: demo}
        - {method: POST, path: /api/demo/codes/history, operation: history, coalesce: true, adapter: demo}
        - {method: POST, path: /api/demo/codes/set, operation: set, adapter: demo}
        - {method: POST, path: /api/demo/alarms, operation: alarms, coalesce: true, adapter: demo}

      """)

  // The parts that the texts have in common.

  private static let listeners = """
    version: 1

    listen:
      address: 127.0.0.1:8080

    admin:
      address: 127.0.0.1:9090

    auth:
      keys:
        - {alg: HS256, secret: {env: JWT_SECRET}}

    """

  private static let upstream = """
        type: webtalk
        settings:
          base_url: {env: BASE_URL}
          app_id: {env: APP_ID}
    """

  private static let operations = """
      # coalesce: identical requests that arrive at the same time share one upstream call.
      - {method: POST, path: /api/iot/codes/values, operation: values, coalesce: true}
      - {method: POST, path: /api/iot/codes/history, operation: history, coalesce: true}
      - {method: POST, path: /api/iot/codes/set, operation: set}
    """

  private static let alarms = """
      - {method: POST, path: /api/iot/alarms, operation: alarms, coalesce: true}
      - {method: POST, path: /api/iot/alarm-configs, operation: alarm-configs, coalesce: true}
    """

  private static let resources = """
      - {path: /api/objects, operation: objects}
      - {path: /api/dashboard/widgets, operation: widgets}
    """
}
