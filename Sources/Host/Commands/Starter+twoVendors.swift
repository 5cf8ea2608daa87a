extension Starter {
  static let twoVendors = Starter(
    name: "two-vendors", summary: "a real upstream and a simulated one side by side",
    text: """
      # Two vendors in one gateway: a real building behind WebTalk, and a simulated one under paths of its own.
      #
      # Set BASE_URL, APP_ID and JWT_SECRET (at least 32 bytes) in the environment, or in a file .env.local beside this one.

      version: 1

      listen:
        address: 127.0.0.1:8080

      admin:
        address: 127.0.0.1:9090

      auth:
        keys:
          - {alg: HS256, secret: {env: JWT_SECRET}}

      # What must outlive a restart: the upstreams' tokens, the catalogue, the dashboard.
      store:
        type: sqlite
        path: var/pointgate.db

      adapters:
        main:
          type: webtalk
          settings:
            base_url: {env: BASE_URL}
            app_id: {env: APP_ID}
        demo:
          type: mock
          settings: {points: 60, seed: 42}

      # Routes that name no adapter go to this one. adapter: demo here, and a reload, swaps the vendor for all of them.
      defaults:
        adapter: main

      routes:
        - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
        # coalesce: callers who ask the same at the same moment share one upstream call.
        - {method: POST, path: /api/iot/codes/values, operation: values, coalesce: true}
        - {method: POST, path: /api/iot/codes/history, operation: history, coalesce: true}
        - {method: POST, path: /api/iot/codes/set, operation: set}
        # Writes past the upstream's own checks: only for callers whose token has this role.
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set, roles: [admin]}
        - {method: POST, path: /api/iot/alarms, operation: alarms, coalesce: true}
        - {method: POST, path: /api/iot/alarm-configs, operation: alarm-configs, coalesce: true}
        - {path: /api/objects, operation: objects}
        - {path: /api/dashboard/widgets, operation: widgets}

        # The second vendor, by its name.
        - {method: POST, path: /api/demo/codes/values, operation: values, coalesce: true, adapter: demo}
        - {method: POST, path: /api/demo/codes/history, operation: history, coalesce: true, adapter: demo}
        - {method: POST, path: /api/demo/codes/set, operation: set, adapter: demo}
        - {method: POST, path: /api/demo/alarms, operation: alarms, coalesce: true, adapter: demo}

      """)
}
