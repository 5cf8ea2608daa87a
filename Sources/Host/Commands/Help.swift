/// The texts of `--help`.
enum Help {
  static let overview = """
    pointgate: one HTTP contract in front of any building gateway.

    usage: pointgate VERB [-c FILE] …

      run            the server in the foreground; run --demo needs no configuration
      init           a small commented configuration to begin with
      check          reads a configuration and prints every problem; check --live also tries it
      routes         the route table
      adapters       the vendors that are built in
      token issue    a client token, signed with the configuration's first HS256 key
      token status   the upstreams' stored tokens: when they end, who renewed them last
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
    "init": """
    usage: pointgate init NAME

    Prints a small commented configuration, alone on stdout.

    \(Terminal.table(Starter.all.map { ["  " + $0.name, $0.summary] }))
    example: pointgate init demo > gateway.yaml

    """,
    "check": """
    usage: pointgate check [-c FILE] [--live] [--format text|json]        (also: validate)

    Reads the configuration exactly as 'run' does and prints every problem. Starts nothing, sends nothing. Exit status 1 when
    there is an error; warnings don't count.

      --live    then tries it: resolves each upstream's name, connects, fetches one token of its own, reads one point that
                no building has; and says what the database would be changed by. Each step with its time, ten seconds at
                most. The stored tokens are not touched. Exit status 3 when something was not reached or did not answer
                as it must, 1 when the url is none, or the database another program's, newer, or old and may not be
                migrated

    example: pointgate check --live -c config/gateway.yaml

    """,
    "routes": """
    usage: pointgate routes [-c FILE] [--format text|json]

    Prints the route table: method, path, operation, adapter, roles, timeout, coalescing; and for how long answers are kept,
    and what is merged, where a route says so.

    example: pointgate routes -c config/demo.yaml

    """,
    "adapters": """
    usage: pointgate adapters [--format text|json]

    Prints the vendors that are built in, with their operations and settings, and whether 'batch' can merge their values.

    example: pointgate adapters

    """,
    "token": """
    usage: pointgate token issue --sub NAME [--role R …] [--ttl 1h] [-c FILE]
           pointgate token status [-c FILE] [--format text|json]

    issue prints a client token (JWT), signed with the first HS256 key of the configuration, alone on stdout.

    example: curl -H "Authorization: Bearer $(pointgate token issue --sub me --role admin)" …

    status reads the store and says for each adapter when the upstream's token ends, how old it is, who renewed it last, and
    a fingerprint; never the token. Writes nothing. With store: {type: memory} there is nothing to read, and it says so
    (exit status 0).

    example: pointgate token status -c config/ecoctrl.yaml

    """,
    "version": """
    usage: pointgate version [--format text|json]

    Prints the versions of the program, of Swift, libpq, libyaml, OpenSSL and SQLite.

    example: pointgate version

    """,
  ]
}
