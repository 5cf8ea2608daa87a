import AdapterAPI

/// Reads many objects from one body: either all of them or every problem.
struct ObjectImport {
  /// The largest number of objects in one import, so that a body of small objects can't fill the memory.
  static let maximum = 250_000
  /// The limit of all metadata together, in bytes as stored. The limit of the body is not enough: a CSV header occurs
  /// once in the body and in every object.
  static let maximumMetadata = 64 << 20

  private(set) var objects: [CatalogueObject] = []
  /// The row of each object.
  private(set) var rows: [Int] = []
  private(set) var problems = FieldProblems()
  /// The present row: the element of an array, counted from 1, or the row as a spreadsheet shows it. 0 before the first.
  private(set) var row = 0
  private var count = 0
  private var rowsByCode: [ObjectCode: Int] = [:]
  private var metadata = 0

  /// Reads the whole body.
  ///
  /// - Throws: all problems, when there is at least one.
  init(_ body: [UInt8], isCSV: Bool) throws(GatewayError) {
    if isCSV {
      body.withUnsafeBufferPointer { readCSV($0) }
    } else {
      do throws(JSONShape.Problem) {
        try body.withUnsafeBufferPointer { (bytes) throws(JSONShape.Problem) in try readJSON(bytes) }
      } catch {
        throw .badJSON(error.message)
      }
    }
    guard problems.isEmpty else { throw .invalidFields(problems) }
  }

  private mutating func readJSON(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONShape.Problem) {
    try JSONPieces.elements(of: bytes) { element, offset in
      guard nextRow(row + 1) else { return false }
      var found = FieldProblems()
      do throws(JSONShape.Problem) {
        let members = try MemberReader.members(of: element, row: row, into: &found)
        if found.isEmpty { take(ObjectDraft(members)) }
      } catch {
        switch error.fault {
        case .notAnObject: found.add("", "must be an object", row: row)
        case .duplicateKey: found.add("", "has a duplicate key at byte \(offset + error.offset)", row: row)
        // The array was valid up to this element.
        default: found.add("", error.message, row: row)
        }
      }
      add(found)
      return true
    }
  }

  /// Begins a row with an object.
  ///
  /// - Returns: false after adding a problem, when a limit is exceeded.
  mutating func nextRow(_ row: Int) -> Bool {
    guard count < Self.maximum else {
      problems.add("", "There are more than \(Self.maximum) objects; import them in several parts.", row: row)
      return false
    }
    guard metadata <= Self.maximumMetadata else {
      add(
        "metadata",
        "With this row the objects have more than \(Self.maximumMetadata >> 20) MiB of metadata; "
          + "import them in several parts.")
      return false
    }
    self.row = row
    count += 1
    return true
  }

  /// Adds this row's object, or its problems.
  mutating func take(_ draft: ObjectDraft) {
    guard let object = draft.object(id: newUUID(), row: row, into: &problems) else { return }
    if let other = rowsByCode.updateValue(row, forKey: ObjectCode(object.code)) {
      problems.add("code", "occurs in row \(other) too: '\(Spelling.printable(object.code))'", row: row)
    }
    metadata += object.metadata.utf8.count
    // After a problem nothing is imported, so the objects are not needed any more.
    guard problems.isEmpty else {
      objects = []
      rows = []
      return
    }
    objects.append(object)
    rows.append(row)
  }

  mutating func add(_ found: FieldProblems) { problems.add(found) }

  /// Adds a problem of this row.
  mutating func add(_ field: String, _ message: @autoclosure () -> String) {
    problems.add(field, message(), row: row == 0 ? nil : row)
  }
}
