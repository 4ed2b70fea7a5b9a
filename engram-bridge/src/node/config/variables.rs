//! Environment variables that override individual configuration values, for containers and service managers.

use std::ffi::OsString;

use toml::{Table, Value};

use super::ConfigProblem;
use super::file::File;

const PREFIX: &str = "ENGRAM_";
const BETWEEN: &str = "__";

/// The value of an environment variable, which replaces the value in the file.
pub(super) struct Override {
    variable: String,
    section: String,
    key: String,
    value: Value,
    /// The raw value, for keys that take text: a name may look like a number.
    text: String,
}

/// Returns the variables of the form `ENGRAM_SECTION__KEY`, sorted by name. Reports a problem for a
/// value that is not UTF-8.
pub(super) fn overrides(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<Override> {
    let mut meant = Vec::new();
    for (variable, text) in variables {
        // A name that is not UTF-8 cannot name a key.
        let Ok(variable) = variable.into_string() else { continue };
        let place = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once(BETWEEN));
        let Some((section, key)) = place else { continue };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        match text.into_string() {
            Ok(text) => meant.push(Override { section, key, value: value(&text), text, variable }),
            Err(_) => {
                let message = "its value is not UTF-8; set it again or unset it".to_owned();
                problems.push(ConfigProblem { key: variable, line: None, message });
            }
        }
    }
    meant.sort_by(|one, other| one.variable.cmp(&other.variable));
    meant
}

/// Parses a value as in the file, except that text needs no quotes.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let parsed =
        parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Applies the overrides to the file, one after the other. `table` holds the values of the file.
/// Reports a problem for each override that cannot be applied.
pub(super) fn apply(
    table: Table,
    file: File,
    overrides: &[Override],
    problems: &mut Vec<ConfigProblem>,
) -> File {
    let (mut file, mut table) = (file, table);
    for meant in overrides {
        let written = Value::String(meant.text.clone());
        let read = set(&table, meant, &meant.value)
            .or_else(|error| set(&table, meant, &written).map_err(|_| error));
        match read {
            Ok(read) => (file, table) = read,
            Err(message) => {
                problems.push(ConfigProblem { key: meant.variable.clone(), line: None, message });
            }
        }
    }
    file
}

/// Returns the file and the table with the variable's value, or the reason why it cannot be set.
fn set(table: &Table, meant: &Override, value: &Value) -> Result<(File, Table), String> {
    let Override { section, key, .. } = meant;
    let mut candidate = table.clone();
    let sections = candidate.entry(section.clone()).or_insert_with(|| Table::new().into());
    if let Some(section) = sections.as_table_mut() {
        section.insert(key.clone(), value.clone());
    }
    let (path, mut known) = (format!("{section}.{key}"), sections.is_table());
    let read = serde_ignored::deserialize(Value::Table(candidate.clone()), |ignored| {
        let ignored = ignored.to_string();
        known &= ignored != path && ignored != *section;
    });
    match read {
        Ok(read) if known => Ok((read, candidate)),
        Ok(_) => Err("there is no such key; check the name of the variable or unset it".to_owned()),
        Err::<File, toml::de::Error>(error) => Err(error.message().to_owned()),
    }
}

/// In each problem with the key of an override, names the variable in place of the line.
pub(super) fn name(overrides: &[Override], problems: &mut [ConfigProblem]) {
    for problem in problems {
        let blamed = |meant: &&Override| problem.key == format!("{}.{}", meant.section, meant.key);
        if let Some(meant) = overrides.iter().find(blamed) {
            problem.key = format!("{} ({})", problem.key, meant.variable);
            problem.line = None;
        }
    }
}
