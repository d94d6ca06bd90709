//! `matrix`: variables with the values that they take.

use super::fields::{map, shown, texts};
use crate::{
    config::Matrix,
    diagnostics::{Problem, Report},
    document::{Node, Value},
    variables,
};

/// The most combinations of one matrix.
const MAX_COMBINATIONS: usize = 64;
/// The most variables of one matrix.
const MAX_VARIABLES: usize = 8;
/// The longest value, in bytes.
const MAX_VALUE: usize = 128;

/// Reads a matrix.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Matrix {
    report.within("matrix", |report| {
        let mut matrix = Matrix::new();
        let entries = map(node, "the matrix", report).unwrap_or_default();
        if entries.len() > MAX_VARIABLES {
            let message = format!("the matrix has {} variables; the limit is {MAX_VARIABLES}", entries.len());
            report.add(node.place, Problem::new(message));
            return matrix;
        }
        for entry in entries {
            let name = entry.key.as_str();
            if !is_name(name) || variables::is_given(name) {
                let problem = Problem::new(format!("\"{}\" cannot be a variable of a matrix", shown(name)));
                report.add(entry.place, problem.expected("a name such as NODE, which is not one of Slipway's own"));
                continue;
            }
            let values = values(&entry.value, report);
            if values.is_empty() && matches!(entry.value.value, Value::Null | Value::List(_)) {
                report.add(entry.place, Problem::new(format!("\"{name}\" has no value")).expected("a list of values"));
            }
            matrix.push((entry.key.clone(), values));
        }
        let count = matrix.iter().try_fold(1_usize, |count, (_, values)| count.checked_mul(values.len()));
        if count.is_none_or(|count| count > MAX_COMBINATIONS) {
            let message = format!("the matrix has more than {MAX_COMBINATIONS} combinations");
            report.add(node.place, Problem::new(message).expected("fewer variables, or fewer values of them"));
            return Matrix::new();
        }
        matrix
    })
}

fn values(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for (value, place) in texts(node, "a value", report).unwrap_or_default() {
        if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            report.add(place, Problem::new(format!("\"{}\" cannot be a value of a matrix", shown(value))));
        } else if values.iter().any(|known| known == value) {
            report.add(place, Problem::new(format!("\"{}\" comes twice", shown(value))));
        } else {
            values.push(value.to_owned());
        }
    }
    values
}

fn is_name(name: &str) -> bool {
    const OF_A_SHELL: [&str; 4] = ["PWD", "HOME", "UID", "GID"];
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !OF_A_SHELL.contains(&name)
}

/// Every combination, the last variable changing first; one of nothing for an empty matrix.
pub(super) fn combinations(matrix: &Matrix) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for (name, values) in matrix {
        all = all
            .iter()
            .flat_map(|before: &Vec<(String, String)>| {
                values.iter().map(move |value| {
                    let mut combination = before.clone();
                    combination.push((name.clone(), value.clone()));
                    combination
                })
            })
            .collect();
    }
    all
}
