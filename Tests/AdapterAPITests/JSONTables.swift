/// Texts that a JSON parser must accept, and texts that it must refuse.
enum JSONTables {
  /// Whole objects.
  static let valid: [String] = [
    "{}", " \t\r\n{ } \n", #"{"":0}"#, #"{"a":1}"#, #"{"a":[]}"#, #"{"a":[1,2,3]}"#, #"{"a":{"b":{"c":[{"d":null}]}}}"#,
    #"{"a":true,"b":false,"c":null}"#, #"{"a":-0}"#, #"{"a":0.0}"#, #"{"a":1e400,"b":1E+2,"c":1e-2,"d":-1.5E3}"#,
    #"{"a":12345678901234567890.12300}"#, #"{"a":"\"\\\/\b\f\n\r\t\u0041"}"#, #"{"a":"\ud800"}"#,
    #"{"a":"\udc00\ud800"}"#,
    #"{"a":"\ud83d\ude00"}"#, #"{"a":"é😀"}"#, #"{"a":"0123456789abcdef\\0123456789"}"#,
    #"{"a" : [ 1 , { "b" : 2 } ] }"#,
    // Duplicate keys are allowed below the top level.
    #"{"a":{"b":1,"b":2},"c":{"b":3}}"#, #"{"code":1,"Code":2,"codes":3}"#, #"{"\ud800":1,"\ud801":2}"#,
  ]

  static let invalid: [(text: String, fault: String)] = [
    ("", "empty"), (" \n", "empty"), ("[]", "notAnObject"), ("1", "notAnObject"), (#""a""#, "notAnObject"),
    ("null", "notAnObject"),
    ("\u{feff}{}", "notAnObject"), ("<html>", "notAnObject"), ("'a'", "notAnObject"), ("{", "cut"), (#"{"a"#, "cut"),
    (#"{"a":"#, "cut"), (#"{"a":1"#, "cut"), (#"{"a":1,"#, "cut"), (#"{"a":[1"#, "cut"), (#"{"a":tru"#, "cut"),
    (#"{"a":"\"#, "cut"), (#"{"a":"\u00"#, "cut"), (#"{"a":-"#, "cut"), (#"{"a":1."#, "cut"), (#"{"a":1e"#, "cut"),
    ("{,}", "syntax"), (#"{"a"}"#, "syntax"), (#"{"a",}"#, "syntax"), (#"{"a":}"#, "syntax"), (#"{"a":1,}"#, "syntax"),
    (#"{"a":1 "b":2}"#, "syntax"), (#"{"a":[1,]}"#, "syntax"), (#"{"a":[,1]}"#, "syntax"), (#"{"a":[1 2]}"#, "syntax"),
    (#"{"a":[1}"#, "syntax"), (#"{"a":{]}"#, "syntax"), (#"{"a":[1}}"#, "syntax"), (#"{a:1}"#, "syntax"),
    ("{'a':1}", "syntax"),
    (#"{"a":01}"#, "syntax"), (#"{"a":+1}"#, "syntax"), (#"{"a":.5}"#, "syntax"), (#"{"a":1.}"#, "syntax"),
    (#"{"a":1e}"#, "syntax"), (#"{"a":1e+}"#, "syntax"), (#"{"a":--1}"#, "syntax"), (#"{"a":0x1}"#, "syntax"),
    (#"{"a":NaN}"#, "syntax"), (#"{"a":Infinity}"#, "syntax"), (#"{"a":True}"#, "syntax"), (#"{"a":nul}"#, "syntax"),
    (#"{"a":truee}"#, "syntax"), (#"{"a":1/*x*/}"#, "syntax"), ("{\"a\":\u{0}}", "syntax"), ("{\u{a0}}", "syntax"),
    ("{\u{b}}", "syntax"), (#"{"a":"\x"}"#, "escape"), (#"{"a":"\u00g0"}"#, "escape"), (#"{"a":"\U0041"}"#, "escape"),
    (#"{"a":"\'"}"#, "escape"), ("{\"a\":\"\n\"}", "controlCharacter"), ("{\"a\":\"x\u{0}y\"}", "controlCharacter"),
    ("{\"a\":\"0123456789\t\"}", "controlCharacter"), ("{\"a\u{1f}\":1}", "controlCharacter"), ("{}{}", "trailing"),
    ("{} x", "trailing"), (#"{"a":1}}"#, "trailing"), ("{}\u{0}", "trailing"), ("{},", "trailing"),
    (#"{"a":1,"a":2}"#, "duplicateKey"), (#"{"codes":["P"],"c\u006fdes":["Q"]}"#, "duplicateKey"),
    (#"{"c\u006Fdes":1,"\u0063odes":2}"#, "duplicateKey"), (#"{"":1,"":2}"#, "duplicateKey"),
    (#"{"😀":1,"\ud83d\ude00":2}"#, "duplicateKey"), (#"{"a\/b":1,"a/b":2}"#, "duplicateKey"),
  ]

  /// Bytes inside a string that are invalid UTF-8 (RFC 3629).
  static let notUTF8: [[UInt8]] = [
    [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xc3, 0x28], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf],
    [0xe2, 0x82],
    [0xe2, 0x28, 0xa1], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0x80], [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf0, 0x9f, 0x98], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xfe], [0xff],
  ]
}
