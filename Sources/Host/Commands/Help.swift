/// The texts of `--help`.
enum Help {
  static let overview = """
    pointgate: one HTTP contract in front of any building gateway.

    usage: pointgate VERB [-c FILE] …

      run            the server in the foreground; run --demo needs no configuration
      check          reads a configuration and prints every problem
      routes         the route table
      adapters       the vendors that are built in
      token issue    a client token, signed with the configuration's first HS256 key
      version        versions of the program and of the libraries it uses

      -c, --config FILE    the configuration (config/gateway.yaml unless said otherwise)
      -h, --help           this text, or with a verb, the verb's

    exit status: 0 done · 1 what was checked is bad · 2 wrong usage · 3 something was not reached · 70 a bug

    Try: pointgate run --demo

    """

  static let verbs: [String: String] = [
    "run": """
    usage: pointgate run [-c FILE] [--demo]

    Runs the server in the foreground until SIGTERM or SIGINT, which let answers under way end first; a second one ends at
    once. SIGHUP reads the configuration again. When it accepts connections, one line on stdout says so:
    ready http://127.0.0.1:8080 admin http://127.0.0.1:9090

      --demo    mock adapter, store in memory, a throw-away secret, and a curl line with a token that works

    example: pointgate run -c config/ecoctrl.yaml

    """,
    "check": """
    usage: pointgate check [-c FILE] [--format text|json]        (also: validate)

    Reads the configuration exactly as 'run' does and prints every problem. Starts nothing, sends nothing. Exit status 1 when
    there is an error; warnings don't count.

    example: pointgate check -c config/gateway.yaml

    """,
    "routes": """
    usage: pointgate routes [-c FILE] [--format text|json]

    Prints the route table: method, path, operation, adapter, roles, timeout, coalescing.

    example: pointgate routes -c config/demo.yaml

    """,
    "adapters": """
    usage: pointgate adapters [--format text|json]

    Prints the vendors that are built in, with their operations and settings.

    example: pointgate adapters

    """,
    "token": """
    usage: pointgate token issue --sub NAME [--role R …] [--ttl 1h] [-c FILE]

    Prints a client token (JWT), signed with the first HS256 key of the configuration, alone on stdout.

    example: curl -H "Authorization: Bearer $(pointgate token issue --sub me --role admin)" …

    """,
    "version": """
    usage: pointgate version [--format text|json]

    Prints the versions of the program, of Swift, libpq, libyaml, OpenSSL and SQLite.

    example: pointgate version

    """,
  ]
}
