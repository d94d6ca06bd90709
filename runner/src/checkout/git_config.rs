//! Files in the form of git's configuration that a commit brings: `.gitmodules` and `.lfsconfig`.
//!
//! Read here and not by git's own reader, which follows `include` to any file of the host.
//! <https://git-scm.com/docs/git-config#_syntax>

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// In lower case.
    pub(super) section: String,
    /// The name in quotes after the section's; empty where there is none.
    pub(super) subsection: String,
    /// In lower case.
    pub(super) key: String,
    pub(super) value: String,
}

/// The settings in their order; lines that say nothing understandable are left out.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let (mut section, mut subsection) = (String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim().to_owned();
        if let Some(head) = line.strip_prefix('[') {
            let Some((head, rest)) = ending(head) else { continue };
            (section, subsection) = head;
            line = rest.trim().to_owned();
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while line.ends_with('\\') && !line.ends_with("\\\\") {
            line.pop();
            line.push_str(lines.next().unwrap_or_default());
        }
        let (key, value) = line.split_once('=').unwrap_or((&line, "true"));
        let (key, value) = (key.trim().to_ascii_lowercase(), plain(value.trim()));
        found.push(Setting { section: section.clone(), subsection: subsection.clone(), key, value });
    }
    found
}

/// A section's head from behind its bracket: its two names, and what follows it.
fn ending(head: &str) -> Option<((String, String), &str)> {
    let (name, rest) = head.split_at(head.find([']', '"'])?);
    let name = name.trim().to_ascii_lowercase();
    let Some(quoted) = rest.strip_prefix('"') else { return Some(((name, String::new()), rest.get(1..)?)) };
    let (mut subsection, mut signs) = (String::new(), quoted.char_indices());
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => subsection.push(signs.next()?.1),
            '"' => return Some(((name, subsection), quoted.get(at + 1..)?.trim_start().strip_prefix(']')?)),
            other => subsection.push(other),
        }
    }
    None
}

/// A value without quotes, escapes and what is said about it.
fn plain(text: &str) -> String {
    let (mut value, mut quoted) = (String::new(), false);
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => quoted = !quoted,
            '\\' => match signs.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(other) => value.push(other),
                None => {}
            },
            '#' | ';' if !quoted => break,
            other => value.push(other),
        }
    }
    if quoted || text.ends_with('"') { value } else { value.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String, String)> {
        let found = settings(text).into_iter();
        found.map(|setting| (setting.section, setting.subsection, setting.key, setting.value)).collect()
    }

    fn setting(section: &str, subsection: &str, key: &str, value: &str) -> (String, String, String, String) {
        (section.to_owned(), subsection.to_owned(), key.to_owned(), value.to_owned())
    }

    #[test]
    fn what_git_writes_is_read() {
        let text = "[submodule \"libs/a\"]\n\tpath = libs/a\n\turl = ../a.git\n# said\n[SubModule \"b \\\"c\\\"\"] Path = \"b  c\" ; why\n\tfetch\n[lfs]\n\turl = https://e\\\nx.org/\n";
        assert_eq!(
            read(text),
            [
                setting("submodule", "libs/a", "path", "libs/a"),
                setting("submodule", "libs/a", "url", "../a.git"),
                setting("submodule", "b \"c\"", "path", "b  c"),
                setting("submodule", "b \"c\"", "fetch", "true"),
                setting("lfs", "", "url", "https://ex.org/"),
            ]
        );
    }

    #[test]
    fn nothing_that_is_not_written_well_is_followed() {
        assert_eq!(read("[include]\n\tpath = /etc/passwd\n"), [setting("include", "", "path", "/etc/passwd")]);
        assert_eq!(read("[x\n[y \"z]\n\n"), []);
        assert_eq!(read("[x]\na = \"b\n"), [setting("x", "", "a", "b")]);
    }
}
