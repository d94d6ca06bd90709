//! The combinations of a matrix.

use super::PlanError;
use crate::config::{Matrix, Pairs};

/// The most combinations of one matrix.
const MAX_COMBINATIONS: usize = 64;

/// How many times something with this matrix is run.
pub(super) fn count(matrix: &Matrix) -> usize {
    matrix.iter().fold(1, |count, (_, values)| count.saturating_mul(values.len()))
}

/// The combinations, the last variable changing fastest; one that is empty where there is no matrix.
pub(super) fn combinations(of: &str, matrix: &Matrix) -> Result<Vec<Pairs>, PlanError> {
    let count = count(matrix);
    if count > MAX_COMBINATIONS {
        return Err(PlanError::TooManyCombinations { of: of.to_owned(), count, limit: MAX_COMBINATIONS });
    }
    let mut combinations = vec![Pairs::new()];
    for (name, values) in matrix {
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut longer = before.clone();
                    longer.push((name.clone(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    Ok(combinations)
}

/// The name of one combination, such as `web (NODE=18)`.
pub(super) fn named(name: &str, combination: &Pairs) -> String {
    if combination.is_empty() {
        return name.to_owned();
    }
    let values: Vec<String> = combination.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{name} ({})", values.join(", "))
}
