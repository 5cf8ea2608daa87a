import CLibPQ
import CLibYAML
import COpenSSL
import CSQLite
import Glibc

/// `pointgate version`
enum VersionCommand {
  static let version = "0.1.0"

  static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let rows = [
      ("pointgate", version), ("swift", swift), ("libpq", libpq() ?? "not installed"),
      ("libyaml", String(cString: yaml_get_version_string())),
      ("openssl", String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))),
      ("sqlite", String(cString: sqlite3_libversion())),
    ]
    if try arguments.isJSON() {
      Terminal.out("{" + rows.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",") + "}\n")
    } else {
      Terminal.out(Terminal.table(rows.map { [$0, $1] }))
    }
    return 0
  }

  private static var swift: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }

  /// Asked of the library itself, opened for the question: it is not linked, because most gateways never use it.
  private static func libpq() -> String? {
    guard let library = dlopen("libpq.so.5", RTLD_LAZY), let symbol = dlsym(library, "PQlibVersion") else { return nil }
    // `int PQlibVersion(void)` in libpq-fe.h, the same in every library that carries the name libpq.so.5.
    let number = unsafeBitCast(symbol, to: (@convention(c) () -> Int32).self)()
    return "\(number / 10_000).\(number % 10_000)"
  }
}
