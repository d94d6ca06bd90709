//! Putting foreign errors into words.

/// The innermost cause of an error: the outer ones only say that some layer failed.
pub(crate) fn root_cause(failure: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = failure;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
