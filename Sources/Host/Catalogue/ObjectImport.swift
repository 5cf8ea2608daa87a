import AdapterAPI

/// Reads many objects from one body: either all of them or every problem.
struct ObjectImport {
  /// The largest number of objects in one import, so that a body of small objects can't fill the memory.
  static let maximum = 250_000
  /// The limit of all metadata together, in bytes as stored. The limit of the body is not enough: a CSV header occurs
  /// once in the body and in every object.
  static let maximumMetadata = 64 << 20

  private(set) var objects: [CatalogueObject] = []
  private(set) var problems = FieldProblems()
  private(set) var row = 0
  private var rows: [ObjectCode: Int] = [:]
  private var metadata = 0

  static func objects(_ body: [UInt8], isCSV: Bool) throws(GatewayError) -> [CatalogueObject] {
    var reader = ObjectImport()
    if isCSV {
      body.withUnsafeBufferPointer { reader.readCSV($0) }
    } else {
      do throws(JSONShape.Problem) {
        try body.withUnsafeBufferPointer { (bytes) throws(JSONShape.Problem) in try reader.readJSON(bytes) }
      } catch {
        throw .badJSON(error.message)
      }
    }
    guard reader.problems.isEmpty else { throw .invalidFields(reader.problems) }
    return reader.objects
  }

  private mutating func readJSON(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONShape.Problem) {
    try JSONPieces.elements(of: bytes) { element, offset in
      guard nextRow() else { return false }
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

  /// Counts a row.
  ///
  /// - Returns: false after adding a problem, when a limit is exceeded.
  mutating func nextRow() -> Bool {
    guard row < Self.maximum else {
      problems.add("", "There are more than \(Self.maximum) objects; import them in several parts.", row: row + 1)
      return false
    }
    guard metadata <= Self.maximumMetadata else {
      add(
        "metadata",
        "With this row the objects have more than \(Self.maximumMetadata >> 20) MiB of metadata; "
          + "import them in several parts.")
      return false
    }
    row += 1
    return true
  }

  /// Adds this row's object, or its problems.
  mutating func take(_ draft: ObjectDraft) {
    guard let object = draft.object(id: newUUID(), row: row, into: &problems) else { return }
    if let other = rows.updateValue(row, forKey: ObjectCode(object.code)) {
      problems.add("code", "occurs in row \(other) too: '\(Spelling.printable(object.code))'", row: row)
    }
    metadata += object.metadata.utf8.count
    // After a problem nothing is imported, so the objects are not needed any more.
    if problems.isEmpty { objects.append(object) } else { objects = [] }
  }

  mutating func add(_ found: FieldProblems) { problems.add(found) }

  /// Adds a problem of this row.
  mutating func add(_ field: String, _ message: @autoclosure () -> String) {
    problems.add(field, message(), row: row == 0 ? nil : row)
  }
}
