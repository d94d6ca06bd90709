//! Rewriting the Dockerfile of a build that a step asks for.
//!
//! The images that it names get the engine's names for them, and every stage begins with the build's label: so that all
//! images on the way are found when the build ends, and no other build takes them for its cache.

use std::collections::{BTreeMap, HashSet};

/// What is put in the place of a Dockerfile's images.
pub(super) struct Rewriting<'a> {
    /// The label of every stage, `name=value`.
    pub(super) label: &'a str,
    /// Build arguments, over the file's own defaults.
    pub(super) arguments: &'a BTreeMap<String, String>,
    /// What the engine knows an image by, or why it may not be named.
    pub(super) image: &'a dyn Fn(&str) -> Result<String, String>,
}

/// The instructions that there are. <https://docs.docker.com/reference/dockerfile/>
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Rewriting<'_> {
    /// The Dockerfile as the engine gets it: what was understood, and nothing else. Each instruction is one line, so that
    /// the engine cannot see another border between two of them; an image is always the name that was judged.
    ///
    /// # Errors
    /// When it names an image that is not the build's, or is written so that two could read it differently.
    pub(super) fn of(&self, text: &str) -> Result<String, String> {
        let text = text.trim_start_matches('\u{feff}');
        let escape = escape_of(text);
        let mut out = format!("# escape={escape}\n");
        let mut stages = Stages::default();
        let mut defaults: BTreeMap<String, String> = BTreeMap::new();
        let mut in_stage = false;
        for whole in instructions(text, escape)? {
            let words: Vec<&str> = whole.split_whitespace().collect();
            let instruction = words.first().map(|word| word.to_uppercase()).unwrap_or_default();
            match instruction.as_str() {
                "FROM" => {
                    push(&mut out, &self.from(&words, &mut stages, &defaults)?);
                    push(&mut out, &format!("LABEL {}", self.label));
                    in_stage = true;
                }
                "COPY" => push(&mut out, &self.copied(&whole, &words, &stages)?),
                "LABEL" => {
                    push(&mut out, &whole);
                    push(&mut out, &format!("LABEL {}", self.label));
                }
                "ONBUILD" => {
                    plain_flags(&words)?;
                    trigger(&words[1..].join(" "))?;
                    push(&mut out, &whole);
                }
                "ARG" if !in_stage => {
                    for word in &words[1..] {
                        let (name, default) = word.split_once('=').unwrap_or((word, ""));
                        defaults.insert(name.to_owned(), default.trim_matches(['"', '\'']).to_owned());
                    }
                    push(&mut out, &whole);
                }
                known if INSTRUCTIONS.contains(&known) => push(&mut out, &whole),
                unknown => return Err(format!("the instruction `{unknown}`, which is not known here")),
            }
        }
        Ok(out)
    }

    fn from(&self, words: &[&str], stages: &mut Stages, defaults: &BTreeMap<String, String>) -> Result<String, String> {
        plain_flags(words)?;
        let mut rewritten: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let at = (1..words.len()).find(|&at| !words[at].starts_with("--")).ok_or("a FROM without an image")?;
        let name = self.expanded(words[at], defaults);
        let name = name.trim_matches(['"', '\'']);
        rewritten[at] = if name == "scratch" || stages.names.contains(&name.to_lowercase()) {
            name.to_owned()
        } else {
            (self.image)(name)?
        };
        stages.count += 1;
        match &words[at + 1..] {
            [] => {}
            [keyword, name] if keyword.eq_ignore_ascii_case("AS") => {
                stages.names.insert(name.to_lowercase());
            }
            more => return Err(format!("`{}` after the image of a FROM", more.join(" "))),
        }
        Ok(rewritten.join(" "))
    }

    /// The instruction with the image of `--from` replaced.
    fn copied(&self, whole: &str, words: &[&str], stages: &Stages) -> Result<String, String> {
        plain_flags(words)?;
        let mut rewritten: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let mut replaced = false;
        for (at, word) in words.iter().enumerate().skip(1).take_while(|(_, word)| word.starts_with("--")) {
            let Some(name) = word.strip_prefix("--from=") else { continue };
            let is_stage = stages.names.contains(&name.to_lowercase())
                || name.parse::<usize>().is_ok_and(|number| number < stages.count);
            if !is_stage {
                rewritten[at] = format!("--from={}", (self.image)(name)?);
                replaced = true;
            }
        }
        Ok(if replaced { rewritten.join(" ") } else { whole.to_owned() })
    }

    /// The word with `$NAME`, `${NAME}` and `${NAME:-default}` replaced.
    fn expanded(&self, word: &str, defaults: &BTreeMap<String, String>) -> String {
        let value =
            |name: &str| self.arguments.get(name).or_else(|| defaults.get(name)).filter(|text| !text.is_empty());
        let mut out = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some((inside, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
                let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
                out.push_str(value(name).map_or(default, String::as_str));
                rest = after;
            } else {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                out.push_str(value(&after[..end]).map_or("", String::as_str));
                rest = &after[end..];
            }
        }
        out.push_str(rest);
        out
    }
}

/// The stages so far.
#[derive(Default)]
struct Stages {
    names: HashSet<String>,
    count: usize,
}

/// The instructions, each on one line, without comments.
fn instructions(text: &str, escape: char) -> Result<Vec<String>, String> {
    let is_nothing = |line: &str| line.trim_start().starts_with('#') || line.trim().is_empty();
    let mut found = Vec::new();
    let mut lines = text.lines().filter(|line| !is_nothing(line));
    while let Some(mut line) = lines.next() {
        let mut whole = String::new();
        while let Some(part) = line.trim_end().strip_suffix(escape) {
            if part.ends_with(escape) {
                return Err(format!("a line that ends with two `{escape}`: engines differ in whether it goes on"));
            }
            whole.push_str(part);
            line = lines.next().unwrap_or_default();
        }
        whole.push_str(line.trim_end());
        found.push(whole.trim().to_owned());
    }
    Ok(found)
}

/// Refuses what an image may not do when another one begins with it: taking files out of an image that nobody judged. The
/// engine reads a trigger as a Dockerfile of its own.
///
/// # Errors
/// With what is refused.
pub(crate) fn trigger(text: &str) -> Result<(), String> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    plain_flags(&words)?;
    let instruction = words.first().map(|word| word.to_uppercase()).unwrap_or_default();
    let is_known = INSTRUCTIONS.contains(&instruction.as_str()) && !matches!(instruction.as_str(), "FROM" | "ONBUILD");
    let mut flags = words.iter().skip(1).take_while(|word| word.starts_with("--"));
    if !is_known || text.contains('\n') || flags.any(|flag| flag.to_lowercase().starts_with("--from")) {
        return Err(format!(
            "`ONBUILD {text}`: what an image does when another begins with it takes nothing from a third"
        ));
    }
    Ok(())
}

/// Refuses flags with quotes or escapes, which end elsewhere for the engine than they do here.
fn plain_flags(words: &[&str]) -> Result<(), String> {
    let mut flags = words.iter().skip(1).take_while(|word| word.starts_with("--"));
    match flags.find(|flag| flag.contains(['"', '\'', '\\', '`'])) {
        Some(flag) => Err(format!("the flag `{flag}` with quotes")),
        None => Ok(()),
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// The character at the end of a line that goes on, which a file's first comment may change.
/// <https://docs.docker.com/reference/dockerfile/#escape>
fn escape_of(text: &str) -> char {
    let directives = text.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    for line in directives {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else { break };
        if name.trim().eq_ignore_ascii_case("escape") {
            return if value.trim() == "`" { '`' } else { '\\' };
        }
    }
    '\\'
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn rewritten(text: &str) -> Result<String, String> {
        let arguments = BTreeMap::from([("TAG".to_owned(), "2".to_owned())]);
        let image = |name: &str| match name {
            "web" | "web:2" => Ok("made:1".to_owned()),
            "foreign" => Err("not yours".to_owned()),
            other => Ok(format!("{other}:latest")),
        };
        Rewriting { label: "l=1", arguments: &arguments, image: &image }.of(text)
    }

    #[test]
    fn stages_get_the_label_and_images_their_names() {
        assert_eq!(
            rewritten("# syntax\nARG TAG=1\nFROM --platform=linux/amd64 web:${TAG} AS a\nRUN x \\\n  FROM y\nfrom busybox\nCOPY --from=a /a /b\nCOPY --from=web --chown=1 /a \\\n /b\nCOPY --from=0 /x /y\nFROM a\n").unwrap(),
            "# escape=\\\nARG TAG=1\nFROM --platform=linux/amd64 made:1 AS a\nLABEL l=1\nRUN x   FROM y\nfrom busybox:latest\nLABEL l=1\nCOPY --from=a /a /b\nCOPY --from=made:1 --chown=1 /a /b\nCOPY --from=0 /x /y\nFROM a\nLABEL l=1\n"
        );
    }

    #[test]
    fn a_trigger_is_what_a_dockerfile_may_say_without_another_image() {
        for fine in ["COPY . /app", "copy --chown=1:1 . /app", "RUN echo from here", "ADD x /", "ENV A=--from=b"] {
            assert_eq!(trigger(fine), Ok(()), "{fine}");
            assert!(
                rewritten(&format!("FROM web\nONBUILD {fine}\n")).unwrap().contains(&format!("\nONBUILD {fine}\n"))
            );
        }
        for refused in ["", "COPY --from=x / /", "COPY --FROM=x / /", "COPY --fr\\om=x / /", "RUN a\nCOPY --from=x / /"]
        {
            assert!(trigger(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for text in
            ["FROM \\\n # comment\n\n web\n", "FROM web", "fRoM \"web\"\n", "ARG X=web\nFROM $X\n", "FROM ${Y:-web}\n"]
        {
            assert!(rewritten(text).unwrap().contains(" made:1\nLABEL l=1\n"), "{text}");
        }
        assert!(rewritten("# escape=`\nFROM `\nweb\n").unwrap().contains("FROM made:1\nLABEL l=1\n"));
        assert_eq!(rewritten("FROM foreign\n").unwrap_err(), "not yours");
        assert_eq!(rewritten("FROM scratch\n").unwrap(), "# escape=\\\nFROM scratch\nLABEL l=1\n");
    }

    #[test]
    fn what_the_engine_could_read_differently_is_written_anew_or_refused() {
        let from = |image: &str| format!("# escape=\\\nFROM {image}\nLABEL l=1\n");
        for (text, image) in [
            ("FROM abcde\n", "abcde:latest"),
            ("\u{feff}FROM abcde\n", "abcde:latest"),
            ("\u{a0}FROM abcde\n", "abcde:latest"),
            ("FROM\u{b}abcde\n", "abcde:latest"),
            ("# directive\n# escape=`\nFROM abcde\n", "abcde:latest"),
        ] {
            assert_eq!(rewritten(text).unwrap(), from(image), "{text:?}");
        }
        assert!(rewritten("FROM web\nFROM 0\n").unwrap().contains("\nFROM 0:latest\n"), "a number is no stage of FROM");
        assert!(rewritten("FROM web\nCOPY --from=1 a b\n").unwrap().contains("--from=1:latest"));
        let relabelled = rewritten("FROM web\nLABEL l=mine\n").unwrap();
        assert!(relabelled.ends_with("LABEL l=mine\nLABEL l=1\n"), "{relabelled}");
        for text in [
            "FROM web\nENV X=a\\\\\nFROM foreign\n",
            "FROM web\nONBUILD COPY --from=foreign / /x\n",
            "FROM web\nONBUILD COPY --fr\\om=foreign / /x\n",
            "FROM web\nONBUILD COPY --\"from\"=foreign / /x\n",
            "FROM web\nONBUILD COPY --chown=1 --from=foreign / /x\n",
            "FROM web\nONBUILD --x COPY --from=foreign / /x\n",
            "FROM web\nONBUILD ONBUILD COPY --from=foreign / /x\n",
            "FROM web\nONBUILD FROM foreign\n",
            "FROM web\nONBUILD\n",
            "FROM web\nCOPY --chown=\"${A:+ b}\" --from=abcde / /x\n",
            "FROM web foreign\n",
            "FROM web\nFRÖM foreign\n",
        ] {
            assert!(rewritten(text).is_err(), "{text:?}");
        }
    }
}
