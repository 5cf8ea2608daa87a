import AdapterAPI

/// CSV imports: a header line with the columns' names, then one object per line.
///
/// Rows are counted as a spreadsheet shows them: the header is row 1, blank rows count, and a line break within a cell
/// does not. Blank rows are skipped. Cells are texts as they are; `=1+1` is no formula.
extension ObjectImport {
  static let columns = ["code", "name", "type", "description", "metadata", "modelId", "status"]
  static let maximumColumns = 1000
  /// The prefix of columns for single members of the metadata, whose values are text.
  private static let memberPrefix = "metadata."

  private enum Column {
    case code, name, type, description, metadata, model, status
    case member(String)
    case ignored
    /// Without a name in the header; its cells must be empty.
    case unnamed
  }

  mutating func readCSV(_ bytes: UnsafeBufferPointer<UInt8>) {
    if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
      add("", "The CSV is in UTF-16; save the file as UTF-8.")
      return
    }
    var records = CSVRecords(bytes)
    if records.hasUnknownSeparator {
      add("", "The line 'sep=' names a separator that is not accepted; use ',', ';', a tab or '|'.")
      return
    }
    var position = 0
    var header = CSVRecords.Record()
    repeat {
      guard let record = records.next(limit: Self.maximumColumns) else {
        add("", "The CSV is empty; it needs a header line with the column 'code'.")
        return
      }
      header = record
      position += 1
    } while header.isBlank
    let columns = columns(header)
    guard problems.isEmpty else { return }
    while let record = records.next(limit: columns.count) {
      position += 1
      if record.isBlank { continue }
      guard nextRow(position) else { return }
      if let fault = record.fault {
        add(fault, record, header.fields)
      } else if record.count < columns.count || record.hasTextBeyondLimit {
        add("", "has \(record.count) fields, and the header has \(columns.count) (line \(record.line))")
      } else if let draft = draft(record, columns) {
        take(draft)
      }
    }
  }

  private mutating func columns(_ header: CSVRecords.Record) -> [Column] {
    if let fault = header.fault { add(fault, header, []) }
    if header.count > Self.maximumColumns { add("", "The header has more than \(Self.maximumColumns) columns.") }
    var seen: Set<ObjectCode> = []
    var columns: [Column] = []
    for name in header.fields {
      if name.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
        columns.append(.unnamed)
        continue
      }
      if !seen.insert(ObjectCode(name)).inserted {
        add(Spelling.printable(name), "The header has this column twice.")
      }
      columns.append(column(name))
    }
    if problems.isEmpty, !seen.contains(ObjectCode("code")) { add("code", "The header has no column 'code'.") }
    return columns
  }

  private mutating func column(_ name: String) -> Column {
    switch name {
    case "id": return .ignored
    case "code": return .code
    case "name": return .name
    case "type": return .type
    case "description": return .description
    case "metadata": return .metadata
    case "modelId": return .model
    case "status": return .status
    default: break
    }
    if name.hasPrefix(Self.memberPrefix), name.utf8.count > Self.memberPrefix.utf8.count, !name.utf8.contains(0) {
      return .member(String(name.dropFirst(Self.memberPrefix.count)))
    }
    let hint = Spelling.hint(for: name, among: Self.columns)
    let isSeparatedOtherwise = name.contains(";") || name.contains("\t")
    let known = (Self.columns + ["metadata.KEY", "id"]).joined(separator: ", ")
    let advice =
      isSeparatedOtherwise
      ? "columns are separated by ','. Save the file with commas, or put a line 'sep=;' above the header"
      : "there are \(known)"
    let end = isSeparatedOtherwise || hint.isEmpty ? "." : hint
    add(Spelling.printable(name), "The header's column is unknown; \(advice)\(end)")
    return .ignored
  }

  /// Returns nil when there is a problem. An empty field counts as absent.
  private mutating func draft(_ record: CSVRecords.Record, _ columns: [Column]) -> ObjectDraft? {
    var draft = ObjectDraft()
    var isGood = true
    for (column, text) in zip(columns, record.fields) where !text.isEmpty {
      if case .ignored = column { continue }
      if case .unnamed = column {
        guard !text.unicodeScalars.allSatisfy(\.properties.isWhitespace) else { continue }
        add("", "has a value in a column without a name; name the column in the header, or clear the cell")
        isGood = false
        continue
      }
      if text.utf8.contains(0) {
        add(name(column), "contains a NUL character, which can't be stored")
        isGood = false
        continue
      }
      switch column {
      case .code: draft.code = .string(text)
      case .name: draft.name = .string(text)
      case .type: draft.type = .string(text)
      case .description: draft.description = .string(text)
      case .model: draft.model = .string(text)
      case .status: draft.status = .string(text)
      case .metadata:
        draft.metadata = metadata(text)
        if draft.metadata == nil { isGood = false }
      case .member(let key): draft.metadataMembers.append(JSONValue.Member(key, .string(text)))
      case .ignored, .unnamed: break
      }
    }
    return isGood ? draft : nil
  }

  private mutating func metadata(_ text: String) -> JSONValue? {
    var text = text
    var found = FieldProblems()
    let result = text.withUTF8 { bytes -> Result<[JSONValue.Member], JSONShape.Problem> in
      do throws(JSONShape.Problem) {
        return .success(try MemberReader.members(of: bytes, into: &found))
      } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(let members):
      guard let problem = found.listed.first else { return .object(members) }
      add("metadata", problem.message)
      return nil
    case .failure(let problem):
      let reason = problem.fault == .duplicateKey ? "has a duplicate key" : "is not a JSON object"
      add("metadata", "\(reason) (byte \(problem.offset) of the field)")
      return nil
    }
  }

  private func name(_ column: Column) -> String {
    switch column {
    case .code: "code"
    case .name: "name"
    case .type: "type"
    case .description: "description"
    case .metadata: "metadata"
    case .model: "modelId"
    case .status: "status"
    case .member(let key): Spelling.printable(Self.memberPrefix + key)
    case .ignored, .unnamed: ""
    }
  }

  private mutating func add(_ fault: CSVRecords.Fault, _ record: CSVRecords.Record, _ names: [String]) {
    let index = record.faultyField - 1
    let field = names.indices.contains(index) ? Spelling.printable(names[index]) : ""
    switch fault {
    case .strayQuote:
      add(
        field,
        "has a '\"' where none is allowed; put the field in quotation marks and double the inner ones "
          + "(line \(record.line))")
    case .openQuote: add(field, "has an opening '\"' without a closing one (line \(record.line))")
    case .encoding: add(field, "is not valid UTF-8 (line \(record.line)); save the file as UTF-8")
    }
  }
}
