//! Paths within a repository, which never lead out of it.

/// Brings a path within the repository to its plain form: without `.`, double slashes and a trailing slash; `.` is the
/// root. The error says why a path is refused; symbolic links are the reader's to check.
pub(crate) fn clean(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        return Err(format!("\"{path}\" is an absolute path; paths are relative to the repository's root"));
    }
    if path.contains(['\0', '\\', '\n']) {
        return Err(format!("\"{}\" holds a character that no path may hold", path.escape_debug()));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(format!("\"{path}\" holds \"..\", which could lead out of the repository"));
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// The folder of a clean path; `.` for a file at the root.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

/// Checks a path within a container: absolute, without `..`.
pub(crate) fn check_absolute(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("\"{path}\" is not an absolute path"));
    }
    if path.split('/').any(|part| part == "..") || path.contains('\0') {
        return Err(format!("\"{}\" is not a plain path", path.escape_debug()));
    }
    Ok(())
}
