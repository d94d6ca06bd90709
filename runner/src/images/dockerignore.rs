//! `.dockerignore`, as Docker reads it: the last pattern that matches decides, `!` takes back, and what is in an ignored
//! folder is ignored with it. <https://docs.docker.com/build/concepts/context/#dockerignore-files>

/// The patterns of one `.dockerignore` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DockerIgnore {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    takes_back: bool,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This character.
    Is(char),
    /// `?`: any character but `/`.
    One,
    /// `*`: any run without `/`.
    Star,
    /// `**`: any run.
    Any,
    /// `**/`: nothing, or any run that ends with `/`.
    AnyFolders,
    /// `[a-z]`, `[^a-z]`.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl DockerIgnore {
    /// Reads a file's text. A line that cannot be a pattern matches nothing.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let patterns = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::trim)
            .filter_map(|line| {
                let (takes_back, line) = match line.strip_prefix('!') {
                    Some(rest) => (true, rest.trim()),
                    None => (false, line),
                };
                let path = clean(line);
                (!path.is_empty()).then(|| Pattern { takes_back, tokens: tokens(&path) })
            })
            .collect();
        DockerIgnore { patterns }
    }

    /// Whether a path, relative to the context and with `/` between its parts, is left out.
    pub(super) fn ignores(&self, path: &str) -> bool {
        let mut ignored = false;
        for pattern in &self.patterns {
            if pattern.takes_back == ignored && pattern.matches_it_or_a_parent(path) {
                ignored = !pattern.takes_back;
            }
        }
        ignored
    }

    /// Whether an ignored folder can be left out whole: no pattern takes anything back.
    pub(super) fn leaves_out_whole_folders(&self) -> bool {
        !self.patterns.iter().any(|pattern| pattern.takes_back)
    }
}

impl Pattern {
    fn matches_it_or_a_parent(&self, path: &str) -> bool {
        matches(&self.tokens, path)
    }
}

/// The pattern's path without `.`, `..`, doubled and outer slashes.
fn clean(line: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in line.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                if chars.next_if_eq(&'/').is_some() { Token::AnyFolders } else { Token::Any }
            }
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Is(chars.next().unwrap_or('\\')),
            '[' => class(&mut chars),
            c => Token::Is(c),
        });
    }
    tokens
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Token {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while let Some(mut from) = chars.next() {
        if from == ']' {
            break;
        }
        if from == '\\' {
            from = chars.next().unwrap_or('\\');
        }
        let mut to = from;
        if chars.next_if_eq(&'-').is_some() {
            to = chars.next().unwrap_or(from);
        }
        ranges.push((from, to));
    }
    Token::Class { negated, ranges }
}

/// Whether the pattern matches the path or one of the folders that it lies in.
///
/// Steps through the text once with the set of places in the pattern where one may be, so that no pattern, however
/// hostile, takes longer than pattern times text.
fn matches(tokens: &[Token], text: &str) -> bool {
    // Two places for each token: before it, and within the run of an `AnyFolders` that has begun.
    let end = tokens.len();
    let mut before = vec![false; end + 1];
    let mut within = vec![false; end + 1];
    before[0] = true;
    skip_empty(tokens, &mut before);
    for c in text.chars() {
        if c == '/' && before[end] {
            return true;
        }
        let mut next = vec![false; end + 1];
        let mut next_within = vec![false; end + 1];
        for (at, token) in tokens.iter().enumerate() {
            if within[at] || (before[at] && *token == Token::AnyFolders) {
                next_within[at] = true;
                if c == '/' {
                    next[at + 1] = true;
                }
            }
            if !before[at] {
                continue;
            }
            match token {
                Token::Is(wanted) if *wanted == c => next[at + 1] = true,
                Token::One if c != '/' => next[at + 1] = true,
                Token::Star if c != '/' => next[at] = true,
                Token::Any => next[at] = true,
                Token::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                    if c != '/' && inside != *negated {
                        next[at + 1] = true;
                    }
                }
                _ => {}
            }
        }
        skip_empty(tokens, &mut next);
        before = next;
        within = next_within;
    }
    before[end]
}

/// What may match nothing is also behind us.
fn skip_empty(tokens: &[Token], before: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        if before[at] && matches!(token, Token::Star | Token::Any | Token::AnyFolders) {
            before[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(file: &str, path: &str) -> bool {
        DockerIgnore::parse(file).ignores(path)
    }

    /// The table of Docker's documentation.
    #[test]
    fn the_documented_patterns() {
        assert!(ignored("*/temp*", "somedir/temporary.txt"));
        assert!(ignored("*/temp*", "somedir/temp/deep"));
        assert!(!ignored("*/temp*", "temporary.txt"));
        assert!(ignored("*/*/temp*", "somedir/subdir/temporary.txt"));
        assert!(ignored("temp?", "tempa"));
        assert!(!ignored("temp?", "temp"));
        assert!(ignored("**/*.go", "main.go") && ignored("**/*.go", "a/b/main.go"));
        assert!(ignored("/foo/bar", "foo/bar") && ignored("foo/bar/", "foo/bar/x"));
        assert!(!ignored("foo", "a/foo"), "a pattern begins at the context's root");
    }

    #[test]
    fn the_last_match_decides() {
        let file = "*.md\n!README*.md\nREADME-secret.md\n";
        assert!(ignored(file, "CHANGES.md"));
        assert!(!ignored(file, "README.md"));
        assert!(ignored(file, "README-secret.md"));
        assert!(!ignored("node_modules\n!node_modules/keep\n", "node_modules/keep/x"));
        assert!(ignored("node_modules\n!node_modules/keep\n", "node_modules/drop"));
    }

    #[test]
    fn comments_blanks_classes_and_escapes() {
        let file = "# comment\n\n  target  \n[a-c]x\n[^a-c]y\n\\*z\n.\n";
        assert!(!ignored(file, "# comment"));
        assert!(ignored(file, "target/debug/x"));
        assert!(ignored(file, "bx") && !ignored(file, "dx"));
        assert!(ignored(file, "dy") && !ignored(file, "by"));
        assert!(ignored(file, "*z") && !ignored(file, "az"));
        assert!(!ignored(file, "src/main.rs"), "a lone dot ignores nothing");
    }

    #[test]
    fn double_stars() {
        assert!(ignored("a/**", "a/b/c") && !ignored("a/**", "a"));
        assert!(ignored("**", "anything/at/all"));
        assert!(ignored("a/**/z", "a/z") && ignored("a/**/z", "a/b/c/z") && !ignored("a/**/z", "a/bz"));
        assert!(ignored("**/node_modules", "web/node_modules/x"));
    }

    #[test]
    fn a_hostile_pattern_does_not_take_for_ever() {
        let pattern = "*a".repeat(200);
        assert!(!ignored(&pattern, &"a".repeat(2000).replace("aaaaaaaaaa", "aaaaaaaaa/")));
    }
}
