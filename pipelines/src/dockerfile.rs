//! What a Dockerfile builds on, as far as a plan must know: the images that its stages begin from or copy from.
//!
//! It is read as BuildKit's frontend reads it (<https://docs.docker.com/reference/dockerfile/>): parser directives,
//! continued lines, heredocs, `ARG`s before the first `FROM`. What is wrong with a Dockerfile is BuildKit's to say; here
//! it is read as far as it goes.

mod arguments;
mod instructions;

use std::{collections::BTreeMap, ops::Range};

use arguments::Arguments;
use instructions::{Instruction, instructions, words};

use crate::images;

/// A Dockerfile, as far as a plan must know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    stages: Vec<Stage>,
    /// The ids of the secrets that its `RUN` instructions mount.
    secrets: Vec<String>,
    named: Vec<Named>,
    takes_unknown: bool,
    hides_images: bool,
    frontend: Option<String>,
}

/// An image where it is named in a Dockerfile's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The bytes that name it.
    pub place: Range<usize>,
    /// The image, with the arguments' values filled in.
    pub image: String,
}

/// An image that a Dockerfile names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The image, with the arguments' values filled in.
    pub image: String,
    /// Where it is named, such as `FROM`.
    pub place: &'static str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stage {
    name: Option<String>,
    uses: Vec<(Origin, &'static str)>,
}

/// What a `FROM` or a `from=` means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Stage(usize),
    Image(String),
}

impl Dockerfile {
    /// Reads the text. Build arguments take the place of the defaults that an `ARG` before the first `FROM` gives.
    #[must_use]
    pub fn read(text: &str, build_args: &[(String, String)]) -> Self {
        let mut reader = Reader {
            file: Dockerfile { frontend: frontend(text), ..Dockerfile::default() },
            arguments: Arguments::new(build_args),
            names: BTreeMap::new(),
        };
        for instruction in instructions(text) {
            reader.read(&instruction);
        }
        reader.file
    }

    /// The images that a build of the stage needs, of the last one where none is named; in the order of the file. BuildKit
    /// leaves out the stages that the wanted one does not build on.
    #[must_use]
    pub fn images(&self, target: Option<&str>) -> Vec<Use> {
        let last = self.stages.len().checked_sub(1);
        let wanted = target.map_or(last, |target| self.stage(target));
        let mut is_needed = vec![wanted.is_none(); self.stages.len()];
        let mut waiting: Vec<usize> = wanted.into_iter().collect();
        while let Some(at) = waiting.pop() {
            if std::mem::replace(&mut is_needed[at], true) {
                continue;
            }
            waiting.extend(self.stages[at].uses.iter().filter_map(|(origin, _)| match origin {
                Origin::Stage(other) => Some(*other),
                Origin::Image(_) => None,
            }));
        }
        let stages = self.stages.iter().zip(&is_needed).filter(|(_, needed)| **needed);
        let uses = stages.flat_map(|(stage, _)| &stage.uses);
        uses.filter_map(|(origin, place)| match origin {
            Origin::Image(image) => Some(Use { image: image.clone(), place }),
            Origin::Stage(_) => None,
        })
        .collect()
    }

    /// The images that it names, in all of its stages and in order, with their places in the text. A name that goes over
    /// the end of a line is left out.
    #[must_use]
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    /// Whether it takes something in that neither its text, its context nor its images tell of: an `ADD` that fetches, or
    /// an image whose name cannot be known from here. Building it twice from the same inputs may then give two images.
    #[must_use]
    pub fn takes_unknown(&self) -> bool {
        self.takes_unknown
    }

    /// Whether it may take an image that [`Dockerfile::images`] does not tell of.
    #[must_use]
    pub fn hides_images(&self) -> bool {
        self.hides_images
    }

    /// The image of the frontend that it asks to be read by (`# syntax=`).
    /// <https://docs.docker.com/reference/dockerfile/#syntax>
    #[must_use]
    pub fn frontend(&self) -> Option<&str> {
        self.frontend.as_deref()
    }

    /// Whether there is a stage of this name or number.
    #[must_use]
    pub fn has_stage(&self, target: &str) -> bool {
        self.stage(target).is_some()
    }

    /// The names of its stages.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(|stage| stage.name.as_deref())
    }

    /// Whether a `RUN` mounts the secret of this id.
    #[must_use]
    pub fn mounts_secret(&self, id: &str) -> bool {
        self.secrets.iter().any(|known| known == id)
    }

    fn note(&mut self, instruction: &Instruction, part: &str, image: &str) {
        let named = instruction.place(part).map(|place| Named { place, image: image.to_owned() });
        self.named.extend(named);
    }

    fn stage(&self, target: &str) -> Option<usize> {
        let named = |stage: &Stage| stage.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(target));
        let at = self.stages.iter().rposition(named);
        at.or_else(|| target.parse().ok().filter(|at| *at < self.stages.len()))
    }
}

/// Whether what a Dockerfile names is the image that a build makes under this name: by its bare name, or as its latest.
/// Another tag or a digest means one that was pushed before.
#[must_use]
pub fn means(written: &str, image: &str) -> bool {
    let reference = images::split(written);
    reference.digest.is_none()
        && matches!(reference.tag, None | Some("latest"))
        && images::familiar(written) == images::familiar(image)
}

/// Whether what an `ADD` names may be an address. A variable may hold one.
fn may_fetch(sources: &str) -> bool {
    ["://", "git@", "$"].iter().any(|mark| sources.contains(mark))
}

/// What a comment before everything else says of the syntax; BuildKit reads comments with `//` and a JSON object there, too.
fn frontend(text: &str) -> Option<String> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    if lines.clone().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with('{')) {
        return Some("{".to_owned());
    }
    lines
        .take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("//"))
        .filter_map(|line| line.trim_start_matches(['#', '/']).split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("syntax"))
        .and_then(|(_, value)| value.split_whitespace().next().map(str::to_owned))
}

/// Whether a flag could name an image in a spelling that is not read here.
fn is_odd(flag: &str) -> bool {
    flag.contains(['\\', '`', '"', '\''])
}

struct Reader<'a> {
    file: Dockerfile,
    arguments: Arguments<'a>,
    /// The stages so far by their names in lower case.
    names: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn read(&mut self, instruction: &Instruction) {
        match instruction.keyword.as_str() {
            "ARG" if self.file.stages.is_empty() => self.arguments.declare(&instruction.rest),
            "FROM" => self.from(instruction),
            "COPY" => self.copy(instruction),
            "RUN" => self.run(instruction),
            "ADD" => self.file.takes_unknown |= may_fetch(&instruction.rest),
            "ONBUILD" => {
                self.file.takes_unknown |= may_fetch(&instruction.rest);
                self.file.hides_images |=
                    instruction.rest.to_ascii_lowercase().contains("from") || is_odd(&instruction.rest);
            }
            _ => {}
        }
        let flags = words(&instruction.rest).take_while(|word| word.starts_with("--"));
        self.file.hides_images |= flags.into_iter().any(is_odd);
    }

    fn from(&mut self, instruction: &Instruction) {
        let mut words = words(&instruction.rest).skip_while(|word| word.starts_with("--"));
        let word = words.next();
        let base = word.and_then(|word| self.arguments.expand(word));
        let is_as = words.next().is_some_and(|word| word.eq_ignore_ascii_case("as"));
        let name = words.next().filter(|_| is_as).map(str::to_owned);
        // A base that cannot be known, such as one with an argument of a form that is not read here, is no app's image.
        let is_unknown = base.as_ref().is_none_or(String::is_empty);
        self.file.takes_unknown |= is_unknown;
        self.file.hides_images |= is_unknown;
        let origin = base.filter(|base| !base.is_empty() && base != "scratch").map(|base| self.by_name(&base));
        if let (Some(Origin::Image(image)), Some(word)) = (&origin, word) {
            self.file.note(instruction, word, image);
        }
        let uses = origin.map(|origin| (origin, "FROM")).into_iter().collect();
        let at = self.file.stages.len();
        self.names.extend(name.as_ref().map(|name| (name.to_ascii_lowercase(), at)));
        self.file.stages.push(Stage { name, uses });
    }

    fn copy(&mut self, instruction: &Instruction) {
        for flag in words(&instruction.rest).take_while(|word| word.starts_with("--")) {
            if let Some(from) = flag.strip_prefix("--from=") {
                self.uses(instruction, from, "COPY --from");
            }
        }
    }

    fn run(&mut self, instruction: &Instruction) {
        for flag in words(&instruction.rest).take_while(|word| word.starts_with("--")) {
            let Some(mount) = flag.strip_prefix("--mount=") else { continue };
            let field = |name: &str| {
                let mut fields = mount.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            };
            if field("type") == Some("secret") {
                let target = || field("target").or_else(|| field("dst")).or_else(|| field("destination"));
                let of_target = || target().and_then(|target| target.rsplit('/').next());
                self.file.secrets.extend(field("id").or_else(of_target).map(str::to_owned));
            } else if let Some(from) = field("from") {
                self.uses(instruction, from, "RUN --mount");
            }
        }
    }

    /// Notes that the current stage takes files from another one or from an image. Variables mean nothing here.
    fn uses(&mut self, instruction: &Instruction, from: &str, place: &'static str) {
        let from = from.trim_matches(['"', '\'']);
        if from.is_empty() || from.contains('$') {
            self.file.takes_unknown = true;
            self.file.hides_images = true;
            return;
        }
        let current = self.file.stages.len().saturating_sub(1);
        let origin = match from.parse::<usize>() {
            Ok(at) if at < current => Origin::Stage(at),
            _ => self.by_name(from),
        };
        if let Origin::Image(image) = &origin {
            self.file.note(instruction, from, image);
        }
        if let Some(stage) = self.file.stages.last_mut() {
            stage.uses.push((origin, place));
        }
    }

    /// A stage before this place, or an image.
    fn by_name(&self, name: &str) -> Origin {
        match self.names.get(&name.to_ascii_lowercase()) {
            Some(at) => Origin::Stage(*at),
            None => Origin::Image(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
