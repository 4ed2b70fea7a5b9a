//! Single values of the configuration from variables, for containers and service managers.

use toml::{Table, Value};

use super::ConfigProblem;
use super::file::File;

const PREFIX: &str = "ENGRAM_";
const BETWEEN: &str = "__";

/// A value that a variable puts in the place of the file's.
pub(super) struct Override {
    variable: String,
    section: String,
    key: String,
    value: Value,
}

/// The variables that mean a key, in the order of their names.
pub(super) fn overrides(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let meant = variables.into_iter().filter_map(|(variable, text)| {
        let (section, key) = variable.strip_prefix(PREFIX)?.split_once(BETWEEN)?;
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        Some(Override { section, key, value: value(&text), variable })
    });
    let mut meant: Vec<_> = meant.collect();
    meant.sort_by(|one, other| one.variable.cmp(&other.variable));
    meant
}

/// Numbers, truth values and lists as in the file; anything else is text without quotes.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let parsed =
        parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The file with the overrides in it, one after the other; what cannot be is a problem.
pub(super) fn apply(
    text: &str,
    file: File,
    overrides: &[Override],
    problems: &mut Vec<ConfigProblem>,
) -> File {
    let (mut file, mut table) = (file, text.parse::<Table>().unwrap_or_default());
    for Override { variable, section, key, value } in overrides {
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
        let message = match read {
            Ok(read) if known => {
                (file, table) = (read, candidate);
                continue;
            }
            Ok(_) => "there is no such key; check the name of the variable or unset it".to_owned(),
            Err::<File, toml::de::Error>(error) => error.message().to_owned(),
        };
        problems.push(ConfigProblem { key: variable.clone(), line: None, message });
    }
    file
}

/// Names the variable where it is to blame, instead of a line that was overridden.
pub(super) fn name(overrides: &[Override], problems: &mut [ConfigProblem]) {
    for problem in problems {
        let blamed = |meant: &&Override| problem.key == format!("{}.{}", meant.section, meant.key);
        if let Some(meant) = overrides.iter().find(blamed) {
            problem.key = format!("{} ({})", problem.key, meant.variable);
            problem.line = None;
        }
    }
}
