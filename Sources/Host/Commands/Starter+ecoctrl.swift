extension Starter {
  static let ecoctrl = Starter(
    name: "ecoctrl", summary: "in the place of EcoCtrl's own proxy, in its database",
    text: """
      # In the place of EcoCtrl's own proxy: the same paths, the same variables, the same tokens of its users, its database.
      # The way there, step by step, and back: docs/from-ecoctrl.md.
      #
      # Put EcoCtrl's .env.local beside this file (or link it). Four of its variables are read: BASE_URL, APP_ID, JWT_SECRET
      # and DATABASE_URL.

      version: 1

      listen:
        address: 127.0.0.1:8080

      admin:
        address: 127.0.0.1:9090

      auth:
        keys:
          - {alg: HS256, secret: {env: JWT_SECRET}}

      # Any number of gateways may share the database. EcoCtrl has tables "objects" and "dashboard_widgets" of its own, so
      # ours stand in a schema beside them; EcoCtrl's token is taken over once, and nothing of EcoCtrl's is changed.
      store:
        type: postgres
        url: {env: DATABASE_URL}
        schema: pointgate

      adapters:
        main:
          type: webtalk
          settings:
            base_url: {env: BASE_URL}
            app_id: {env: APP_ID}

      defaults:
        adapter: main
        # EcoCtrl's tokens carry a user and no role, so no route here asks for one.
        roles: []

      routes:
        # The whole token, for everyone who is logged in; "pointgate check" warns about that. reveal: masked hides it.
        - {method: GET, path: /api/iot/token, operation: token, reveal: full}
        # coalesce: callers who ask the same at the same moment share one upstream call.
        - {method: POST, path: /api/iot/codes/values, operation: values, coalesce: true}
        - {method: POST, path: /api/iot/codes/history, operation: history, coalesce: true}
        - {method: POST, path: /api/iot/codes/set, operation: set}
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set}
        - {method: POST, path: /api/iot/alarms, operation: alarms, coalesce: true}
        - {method: POST, path: /api/iot/alarm-configs, operation: alarm-configs, coalesce: true}
        - {path: /api/objects, operation: objects}
        - {path: /api/dashboard/widgets, operation: widgets}

      """)
}
