//! Apps without a captain.yml: every Dockerfile of the repository, named as captain names it.

mod file;

pub use file::captain_yml;

use crate::{
    config::{App, Attestation, Config, TagRule},
    diagnostics::{Diagnostics, Problem, Report},
    images, paths,
};

/// What the language needs to know about the repository.
#[derive(Debug, Clone, Copy)]
pub struct RepositoryFacts<'a> {
    /// Its name, `owner/name`.
    pub repository: &'a str,
}

/// The configuration of a repository without a captain.yml: every `Dockerfile` and `Dockerfile.*` is an app whose name
/// and image are `<owner>/<parent folder><.suffix>` in lower case. `files` are the paths of the repository's files, or
/// of those among them that [`is_dockerfile`].
///
/// # Errors
/// When there is no Dockerfile, or two of them come to the same name, or to one that no image can have.
pub fn detect(files: &[String], facts: &RepositoryFacts<'_>) -> Result<Config, Diagnostics> {
    let mut report = Report::new("", "");
    let mut dockerfiles: Vec<&String> = files.iter().filter(|path| is_dockerfile(path)).collect();
    dockerfiles.sort_unstable();
    dockerfiles.dedup();
    let mut apps: Vec<App> = Vec::new();
    for dockerfile in dockerfiles {
        let Ok(dockerfile) = paths::clean(dockerfile) else { continue };
        let image = image_name(&dockerfile, facts);
        if let Err(reason) = images::check_name(&image) {
            let problem = Problem::new(format!("no app can be made of {dockerfile}: {reason}"));
            report.add_whole(problem.expected("a captain.yml that gives it a name and an image"));
        }
        if let Some(first) = apps.iter().find(|app| app.image == image) {
            let message = format!("{} and {dockerfile} would both be the app \"{image}\"", first.dockerfile);
            report.add_whole(Problem::new(message).expected("a captain.yml that gives each a name and an image"));
        }
        apps.push(app(dockerfile, image));
    }
    if apps.is_empty() {
        report.add_whole(Problem::new("no captain.yml and no Dockerfile in this repository"));
    }
    if report.has_errors() { Err(report.into_errors()) } else { Ok(Config { apps, ..Config::default() }) }
}

/// Whether the file at this path is built where there is no captain.yml. BuildKit's `Dockerfile.dockerignore` is no
/// Dockerfile.
#[must_use]
pub fn is_dockerfile(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name == "Dockerfile"
        || name.strip_prefix("Dockerfile.").is_some_and(|suffix| !suffix.is_empty() && suffix != "dockerignore")
}

/// The image that captain makes of a Dockerfile, without a registry.
pub(crate) fn image_name(dockerfile: &str, facts: &RepositoryFacts<'_>) -> String {
    let (owner, repository) = facts.repository.rsplit_once('/').unwrap_or(("", facts.repository));
    let folder = paths::folder(dockerfile);
    let parent = if folder == "." { repository } else { folder.rsplit_once('/').map_or(folder, |(_, last)| last) };
    let file = dockerfile.rsplit_once('/').map_or(dockerfile, |(_, name)| name);
    let suffix = file.strip_prefix("Dockerfile").unwrap_or_default();
    let separator = if owner.is_empty() { "" } else { "/" };
    format!("{owner}{separator}{parent}{suffix}").to_lowercase()
}

fn app(dockerfile: String, image: String) -> App {
    App {
        name: image.clone(),
        context: paths::folder(&dockerfile).to_owned(),
        dockerfile,
        image,
        tags: TagRule::defaults(),
        attest: Attestation::defaults(),
        ..App::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: RepositoryFacts<'static> = RepositoryFacts { repository: "Harbur/Hello" };

    fn detected(paths: &[&str]) -> Result<Vec<(String, String)>, String> {
        let files: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let config = detect(&files, &FACTS).map_err(|error| error.to_string())?;
        Ok(config.apps.into_iter().map(|app| (app.image, app.context)).collect())
    }

    #[test]
    fn every_dockerfile_is_an_app() {
        let files = [
            "README.md",
            "web/Dockerfile.Test",
            "Dockerfile",
            "web/Dockerfile",
            "Dockerfile.dockerignore",
            "MyDockerfile",
        ];
        let expected = [("harbur/hello", "."), ("harbur/web", "web"), ("harbur/web.test", "web")];
        assert_eq!(
            detected(&files),
            Ok(expected.map(|(image, context)| (image.to_owned(), context.to_owned())).to_vec())
        );
    }

    #[test]
    fn what_cannot_be_detected_is_said() {
        let message = |paths: &[&str]| detected(paths).err().unwrap_or_default();
        insta::assert_snapshot!(message(&["README.md"]), @"no captain.yml and no Dockerfile in this repository");
        insta::assert_snapshot!(message(&["a/web/Dockerfile", "b/web/Dockerfile"]), @r#"a/web/Dockerfile and b/web/Dockerfile would both be the app "harbur/web"; expected a captain.yml that gives each a name and an image"#);
        insta::assert_snapshot!(message(&["my app/Dockerfile"]), @r#"no app can be made of my app/Dockerfile: "my app" cannot be part of an image's name; expected a captain.yml that gives it a name and an image"#);
    }
}
