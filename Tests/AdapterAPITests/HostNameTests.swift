import Testing

@testable import AdapterAPI

/// Which hosts an address may have, by field cases.
@Suite struct HostNameTests {
  private func mistake(_ host: String) -> String? { HostName.mistake(in: Array(host.utf8)) }

  @Test(arguments: [
    "192.168.001.010", "127.1", "2130706433", "0x7f000001", "0X7F.1", "0x7f.0.0.1", "0177.0.0.1", "010.0.0.1",
    "10.0.0.01",
    "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.256", "10.0.0.1.", "127.1.", "00.0.0.0", "0x", "1.0x", "host.1",
    "a.b.010",
    "host.0x7f", "4294967296", "..1", "1..2.3", ".1.2.3.4",
  ])
  func `a host that ends in a number and is no plain IPv4 address is refused, as a resolver reads it as another one`(
    host: String
  ) {
    #expect(
      mistake(host)?.contains("without leading zeros, like 192.168.1.10") == true, "\(mistake(host) ?? "accepted")")
    for url in ["http://\(host)", "http://\(host):8080/base", "https://\(host)/"] {
      guard case .failure(let found) = BaseURL.parse(url) else {
        Issue.record("\(url) is accepted")
        continue
      }
      #expect(!found.reason.contains(host) || host.count < 4)
    }
  }

  @Test(arguments: [
    "0.0.0.0", "127.0.0.1", "192.168.1.10", "255.255.255.255", "localhost", "a", "a.example", "A.Example", "a.example.",
    "localhost.", "xn--mnchen-3ya.example", "h_1", "3com.example", "10.0.0.1x", "0xg", "0x7f.example", "1e3", "_tcp.a",
    "host-1.2-3", "1-2", "2130706433.example", "10.0.0.1.nip.io",
  ])
  func `a plain IPv4 address and a host name are accepted, also with the dot of an absolute name`(host: String) throws {
    #expect(mistake(host) == nil)
    #expect(try BaseURL.parse("http://\(host):81/x").get().host == host.lowercased())
  }

  @Test func `an absolute name keeps its dot in the Host field`() throws {
    #expect(try BaseURL.parse("http://Upstream.Example.:81/x").get().description == "http://upstream.example.:81/x")
  }

  @Test(arguments: ["münchen.example", "例え.jp", "１２７.0.0.1", "a。example", "xn--ä"])
  func `a host with letters beyond ASCII is refused, and the message says how to write it`(host: String) {
    for url in ["http://\(host)", "http://\(host):80/a?b"] {
      guard case .failure(let found) = BaseURL.parse(url) else {
        Issue.record("\(url) is accepted")
        continue
      }
      #expect(found.reason.contains("begins with xn--"))
    }
    // Beyond the host the rule of URLs applies.
    #expect(
      BaseURL.parse("http://a/\(host)")
        == .failure(.init(reason: "has a space or another character that a URL may not have; percent-encode it")))
  }

  @Test(arguments: [
    ("http://a..b", "1 to 63 characters"), ("http://.", "1 to 63 characters"), ("http://a..", "1 to 63 characters"),
    ("http://.a", "1 to 63 characters"), ("http://%31%32%37.0.0.1", "without percent-encoding"),
    ("http://a%2eb", "without percent-encoding"), ("http://[fe80::1%25eth0]", "zone"),
    ("http://[fe80::1%eth0]", "zone"),
    ("http://[127.0.0.1]", "IPv6 address between its brackets"), ("http://[v1.x]", "IPv6 address between its brackets"),
    ("http://[::ffff:010.0.0.1]", "IPv6 address between its brackets"),
    ("http://[::ffff:127.1]", "IPv6 address between its brackets"), ("http://::1", "brackets around"),
    ("http://fd00::1:80", "brackets around"), ("http://a,b", "letters, digits"), ("http://a b", "percent-encode it"),
    ("http://:80", "must have a host name"), ("http:///a", "must have a host name"),
  ])
  func `a host of another form is refused with its reason`(url: String, words: String) {
    guard case .failure(let found) = BaseURL.parse(url) else {
      Issue.record("\(url) is accepted")
      return
    }
    #expect(found.reason.contains(words), "\(found.reason)")
  }

  @Test func `a part of a name has at most 63 characters, and a name 253, without the last dot`() {
    let part = String(repeating: "a", count: 63)
    let longest = [part, part, part, String(repeating: "a", count: 61)].joined(separator: ".")
    #expect(longest.count == 253)
    #expect(mistake(part) == nil && mistake(part + "a") != nil)
    #expect(mistake(longest) == nil && mistake(longest + ".") == nil && mistake(longest + "a") != nil)
  }
}

/// Texts of secrets that were damaged on their way.
@Suite struct SecretTextTests {
  @Test(arguments: [
    ("\u{fffd}abc", "not UTF-8"), ("abc\u{fffd}", "not UTF-8"), ("\u{feff}abc", "byte order mark"),
    ("abc ", "ends in white space"), ("abc\t", "ends in white space"), ("abc\u{a0}", "ends in white space"),
    ("abc\n", "ends in a line break"), ("abc\r\n", "ends in a line break"), ("abc\r", "ends in a line break"),
    ("abc\u{2028}", "ends in a line break"), (" abc", "begins with white space"), ("\nabc", "begins with white space"),
    ("a\u{0}bc", "U+0000"), ("a\u{7}bc", "U+0007"), ("a\u{7f}bc", "U+007F"), ("a\u{9b}bc", "U+009B"),
    ("abc\u{200b}", "U+200B"), ("a\u{202e}bc", "U+202E"), ("a\u{feff}bc", "U+FEFF"), ("a\u{ad}bc", "U+00AD"),
    ("a-secret-of-at-least-32-bytes-that-signs-your-users-tokens", "placeholder"),
    ("the-application-id", "placeholder"),
    ("<replace-this-with-a-random-string>", "placeholder"), ("<your-key-here>", "placeholder"),
    ("postgres://ecoctrl:password@192.0.2.20/ecoctrl", "placeholder"),
  ])
  func `a damaged secret, or that of an example, is refused by its rule and never shown`(text: String, words: String) {
    let mistake = SecretText.mistake(in: text)
    #expect(mistake?.contains(words) == true, "\(mistake ?? "accepted")")
    #expect(mistake?.contains("abc") == false)
  }

  @Test(arguments: ["abc", "a b c", "pässwörd-ü", "a\tb", "a\nb", "😀", "<a", "a>", "the-application-id-2", "=+/"])
  func `a secret of other characters is used as it is`(text: String) { #expect(SecretText.mistake(in: text) == nil) }

  @Test func `a line break inside of a secret is a doubt`() {
    #expect(SecretText.doubt(about: "a\nb")?.contains("line break inside") == true)
    #expect(SecretText.doubt(about: "a b") == nil)
  }
}

@Suite struct ScalarHintTests {
  @Test(arguments: [
    ("1m30s", "; write 90s"), ("1m 30s", "; write 90s"), ("1h30m", "; write 90m"), ("1.5s", "; write 1500ms"),
    ("2d", "; write 48h"), ("5sec", "; write 5s"), ("5S", "; write 5s"), ("5 s", "; write 5s"), ("10", ""),
    ("12:30", ""),
    ("s", ""), ("1m30", ""), ("-5s", ""), ("", ""),
  ])
  func `a duration of another form gets the form to write`(text: String, hint: String) {
    #expect(ScalarText.durationHint(text) == hint)
  }

  @Test(arguments: [
    ("1MB", "; write 1MiB"), ("16 KB", "; write 16KiB"), ("2g", "; write 2GiB"), ("5b", "; write 5B"),
    ("1 mib", "; write 1MiB"),
    ("1024", ""), ("1TB", ""), ("MB", ""), ("1.5MB", ""),
  ])
  func `a size with another unit gets the unit to write`(text: String, hint: String) {
    #expect(ScalarText.sizeHint(text) == hint)
  }
}
