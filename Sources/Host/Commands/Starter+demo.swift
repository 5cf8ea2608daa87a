extension Starter {
  static let demo = Starter(
    name: "demo", summary: "a simulated building in memory",
    text: """
      # A demonstration without an upstream: a small living building that exists in memory only.
      #
      #   JWT_SECRET=$(openssl rand -hex 32) pointgate run -c config/demo.yaml
      #
      # Every answer says X-Gateway-Source: mock, so that nobody takes its values for real ones.

      version: 1

      listen:
        address: 127.0.0.1:8080

      admin:
        address: 127.0.0.1:9090

      auth:
        keys:
          - {alg: HS256, secret: {env: JWT_SECRET}}

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
        # coalesce: callers who ask the same at the same moment share one upstream call.
        - {method: POST, path: /api/iot/codes/values, operation: values, coalesce: true}
        - {method: POST, path: /api/iot/codes/history, operation: history, coalesce: true}
        - {method: POST, path: /api/iot/codes/set, operation: set}
        - {method: POST, path: /api/iot/codes/force-set, operation: force-set}
        - {method: POST, path: /api/iot/alarms, operation: alarms, coalesce: true}
        - {method: POST, path: /api/iot/alarm-configs, operation: alarm-configs, coalesce: true}
        # The catalogue and the dashboard; "sync" fills the catalogue with the building's points.
        - {path: /api/objects, operation: objects}
        - {path: /api/dashboard/widgets, operation: widgets}

      """)
}
