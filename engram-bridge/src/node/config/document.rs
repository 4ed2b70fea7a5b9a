//! The text of a configuration, with the lines of its keys.

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};
use toml::{Deserializer, Spanned, Table};

use super::ConfigProblem;
use super::file::File;

/// A configuration as written: a whole file, or a section of one.
pub(super) struct Document<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
}

/// The readable part of a document.
pub(super) struct Read {
    pub(super) file: File,
    pub(super) table: Table,
    /// The problems with values of the wrong type; `file` and `table` lack these values.
    pub(super) wrong: Vec<ConfigProblem>,
    pub(super) unknown: Vec<ConfigProblem>,
}

impl<'t> Document<'t> {
    /// Parses the text, and selects a section of it by its path, such as `engram.cluster`; `None` if the text has
    /// no such section.
    pub(super) fn parse(
        text: &'t str,
        section: Option<&str>,
    ) -> Result<Option<Self>, ConfigProblem> {
        let mut table = DeTable::parse(text).map_err(|error| unreadable(text, &error))?;
        for key in section.into_iter().flat_map(|path| path.split('.')) {
            table = match table.get_ref().get_key_value(key) {
                None => return Ok(None),
                Some((place, value)) => match value.get_ref() {
                    DeValue::Table(inner) => Spanned::new(value.span(), inner.clone()),
                    other => {
                        let line = Some(line_at(text, place.span().start));
                        let message =
                            format!("it is of type {}, but must be a section", other.type_str());
                        return Err(ConfigProblem { key: key.to_owned(), line, message });
                    }
                },
            };
        }
        Ok(Some(Self { text, table }))
    }

    /// Reads everything that has a known key and the right type.
    pub(super) fn read(&self) -> Result<Read, ConfigProblem> {
        let (mut table, mut wrong) = (self.table.clone(), Vec::new());
        loop {
            let mut unknown = Vec::new();
            let read = serde_ignored::deserialize(Deserializer::from(table.clone()), |path| {
                let message = "this key is unknown; check its spelling or remove it".to_owned();
                unknown.push(ConfigProblem { key: path.to_string(), line: None, message });
            });
            let error: toml::de::Error = match read {
                Err(error) => error,
                Ok(file) => {
                    let table = Table::deserialize(Deserializer::from(table)).unwrap_or_default();
                    return Ok(Read { file, table, wrong, unknown });
                }
            };
            let start = error.span().map(|span| span.start);
            let removed = start.and_then(|start| remove(table.get_mut(), start));
            let Some(key) = removed else { return Err(unreadable(self.text, &error)) };
            let line = start.map(|start| line_at(self.text, start));
            wrong.push(ConfigProblem { key, line, message: of_type(error.message()) });
        }
    }

    /// Adds to each problem the line of its key, or of the nearest table around it.
    pub(super) fn find_lines(&self, problems: &mut [ConfigProblem]) {
        for problem in problems {
            let offset = offset_of(self.table.get_ref(), problem.key.split('.'));
            problem.line = problem.line.or_else(|| offset.map(|offset| line_at(self.text, offset)));
        }
    }
}

/// Describes a text that is not TOML, or that cannot be read for another reason.
fn unreadable(text: &str, error: &toml::de::Error) -> ConfigProblem {
    let line = error.span().map(|span| line_at(text, span.start));
    let written = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let key = written.split('=').next().unwrap_or_default().trim().to_owned();
    ConfigProblem { key, line, message: error.message().to_owned() }
}

/// Rewrites the message about a wrong type in TOML's terms.
fn of_type(message: &str) -> String {
    message
        .replace("expected i64", "expected an integer")
        .replace("expected f64", "expected a number")
}

/// Removes the value at the offset `start`, and returns its key.
fn remove(table: &mut DeTable<'_>, start: usize) -> Option<String> {
    let (key, _) = table.iter().find(|(_, value)| spans(value, start))?;
    let key = key.get_ref().to_string();
    if let Some(inner) = remove_in(table.get_mut(&*key)?, start) {
        return Some(format!("{key}.{inner}"));
    }
    table.remove(&*key);
    Some(key)
}

/// Removes the value at the offset `start` from a table within `value`, and returns its key; `None`
/// if no such table contains it.
fn remove_in(value: &mut Spanned<DeValue<'_>>, start: usize) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, start),
        DeValue::Array(items) => {
            let mut items = items.iter_mut().enumerate();
            let (at, item) = items.find(|(_, item)| spans(item, start))?;
            let inner = remove_in(item, start)?;
            Some(format!("{at}.{inner}"))
        }
        _ => None,
    }
}

/// Whether the value, or one within it, is at the offset. The span of a table is only its header.
fn spans(value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    let inner = match value.get_ref() {
        DeValue::Table(table) => table.iter().any(|(_, value)| spans(value, at)),
        DeValue::Array(items) => items.iter().any(|item| spans(item, at)),
        _ => false,
    };
    inner || value.span().contains(&at)
}

fn offset_of<'k>(table: &DeTable<'_>, mut path: impl Iterator<Item = &'k str>) -> Option<usize> {
    let (key, value) = table.get_key_value(path.next()?)?;
    Some(offset_in(value, path).unwrap_or_else(|| key.span().start))
}

fn offset_in<'k>(
    value: &Spanned<DeValue<'_>>,
    mut path: impl Iterator<Item = &'k str>,
) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(table) => offset_of(table, path),
        DeValue::Array(items) => {
            let item = items.get(path.next()?.parse::<usize>().ok()?)?;
            Some(offset_in(item, path).unwrap_or_else(|| item.span().start))
        }
        _ => None,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}
