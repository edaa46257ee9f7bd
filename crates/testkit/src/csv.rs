//! Captured tables.

/// The fields of a line of CSV; a quote within quotes is written twice.
///
/// ```
/// assert_eq!(otelcol_testkit::csv_fields("a,\"\"\"Max, \"\" <1>\",,b"), ["a", "\"Max, \" <1>", "", "b"]);
/// ```
#[must_use]
pub fn csv_fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}
