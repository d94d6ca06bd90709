//! One app: what is built, and what surrounds it.

use super::{
    fields::{
        boolean, check_apart, field, fields, is_host_label, or_report, pairs, positive_duration, secrets, shown, text,
        texts, word,
    },
    matrix, pushes, release, service,
    step::{self, Around, unknown_app},
    templates, when,
};
use crate::{
    config::{App, Attestation, BuildCache, TagRule},
    detect::{self, RepositoryFacts},
    diagnostics::{Problem, Report},
    document::{Entry, Node, Value},
    images, paths, reference, variables,
};

/// Reads one app; what is wrong with it is reported, and then there may be none. `apps` are the names of all, with
/// whether each has a matrix.
pub(super) fn read(
    entry: &Entry,
    apps: &[(&str, bool)],
    facts: &RepositoryFacts<'_>,
    report: &mut Report<'_>,
) -> Option<App> {
    check_name(entry, report);
    let fields = fields(&entry.value, &reference::APP, report)?;
    if field(&fields, "image").is_none() {
        let example = detect::image_name(&dockerfile_of(&fields), facts);
        let problem = Problem::new(format!("the app \"{}\" has no image", shown(&entry.key)))
            .expected(format!("the name to push it under, such as \"image: {example}\""));
        report.add(entry.place, problem);
    }
    let matrix = field(&fields, "matrix").map(|field| matrix::read(&field.value, report)).unwrap_or_default();
    let of_matrix: Vec<&str> = matrix.iter().map(|(name, _)| name.as_str()).collect();
    let env = field(&fields, "env").map(|field| {
        templates::check_pairs(&field.value, &of_matrix, report);
        pairs(&field.value, "variables", report).unwrap_or_default()
    });
    let env = env.unwrap_or_default();
    let secrets = field(&fields, "secrets").map(|field| {
        let secrets = secrets(&field.value, report);
        check_apart(&env, &secrets, field.place, report);
        secrets
    });
    let secrets = secrets.unwrap_or_default();
    let declared: Vec<&str> = of_matrix.iter().copied().chain(env.iter().map(|(name, _)| name.as_str())).collect();
    let environment: Vec<&str> = declared.iter().copied().chain(secrets.iter().map(String::as_str)).collect();
    let mut app = App {
        name: entry.key.clone(),
        dockerfile: "Dockerfile".to_owned(),
        tags: TagRule::defaults(),
        attest: Attestation::defaults(),
        ..App::default()
    };
    let around = Around { own: &entry.key, declared: &declared, environment: &environment, apps };
    let mut reader = Reader { entry, app: &mut app, declared: &declared, around, context: None };
    for field in &fields {
        reader.take(field, report);
    }
    let context = reader.context;
    app.context = context.unwrap_or_else(|| paths::folder(&app.dockerfile).to_owned());
    check_matrix(&fields, &app, &matrix, report);
    (app.matrix, app.env, app.secrets) = (matrix, env, secrets);
    Some(app)
}

/// Takes an app's fields over, one by one.
struct Reader<'a> {
    entry: &'a Entry,
    app: &'a mut App,
    /// The variables that its templates may use.
    declared: &'a [&'a str],
    around: Around<'a>,
    context: Option<String>,
}

impl Reader<'_> {
    fn take(&mut self, field: &Entry, report: &mut Report<'_>) {
        let (node, declared) = (&field.value, self.declared);
        let app = &mut *self.app;
        match field.key.as_str() {
            "build" => app.dockerfile = dockerfile(node, declared, report).unwrap_or_else(|| app.dockerfile.clone()),
            "context" => self.context = folder(node, declared, report),
            "target" => app.target = templates::name(node, "a stage of the Dockerfile", declared, report),
            "image" => app.image = image(node, declared, report).unwrap_or_default(),
            "needs" => app.needs = needs(node, self.around.apps, report),
            "build_arg" => {
                templates::check_pairs(node, declared, report);
                app.build_args = pairs(node, "build arguments", report).unwrap_or_default();
            }
            "build_secret" => app.build_secrets = secrets(node, report),
            "build_cache" => {
                let words = [("engine", BuildCache::Engine), ("registry", BuildCache::Registry)];
                app.build_cache = word(node, &words, report).unwrap_or_default();
            }
            "pin" => app.pin = boolean(node, report).unwrap_or_default(),
            "step_image" => app.step_image = templates::image(node, declared, report),
            "pre" => app.pre = step::read_all(field, &self.around, report),
            "post" => app.post = step::read_all(field, &self.around, report),
            "test" => app.test = step::read_all(field, &self.around, report),
            "services" => app.services = service::read_all(node, declared, report),
            "when" => app.when = when::read(node, report),
            "timeout" => app.timeout_ms = positive_duration(node, report),
            "tags" => app.tags = pushes::tags(node, declared, report),
            "commit_length" => app.commit_length = pushes::commit_length(node, report),
            "latest" => app.latest = pushes::latest(node, report),
            "push" => app.push = pushes::push(node, report),
            "attest" => app.attest = pushes::attest(node, report),
            "release" => {
                app.release = Some(release::read(node, false, report).unwrap_or_default());
                check_release_name(self.entry, report);
            }
            // The matrix, the variables and the secrets are read before the rest, which may use them.
            _ => {}
        }
    }
}

fn check_name(entry: &Entry, report: &mut Report<'_>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let name = entry.key.as_str();
    if name.len() > 128 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        let problem = Problem::new(format!("\"{}\" cannot be an app's name", shown(name)))
            .expected("letters, digits, \"_\", \".\", \"-\" and \"/\", at most 128, beginning with a letter or digit");
        report.add(entry.place, problem);
    }
}

/// An app that runs somewhere is reached by its name there.
fn check_release_name(entry: &Entry, report: &mut Report<'_>) {
    if !is_host_label(&entry.key) {
        let problem = Problem::new(format!("\"{}\" cannot be the name of an app that is released", shown(&entry.key)))
            .expected("lower-case letters, digits and \"-\", at most 63: the name is its address where it runs");
        report.add(entry.place, problem.see(reference::RELEASE.anchor));
    }
}

/// The Dockerfile that the fields name, for the example in a message.
fn dockerfile_of(fields: &[&Entry]) -> String {
    match field(fields, "build").map(|field| &field.value.value) {
        Some(Value::Scalar(path)) => paths::clean(path).unwrap_or_else(|_| "Dockerfile".to_owned()),
        _ => "Dockerfile".to_owned(),
    }
}

fn dockerfile(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Option<String> {
    let expected = "the Dockerfile's path, relative to the repository's root";
    let path = text(node, expected, report)?;
    templates::check(path, declared, node.place, report)?;
    let clean = or_report(paths::clean(path).map_err(Problem::new), node.place, report)?;
    if clean == "." || path.ends_with('/') {
        report.add(node.place, Problem::new(format!("\"{}\" is a folder", shown(path))).expected(expected));
        return None;
    }
    Some(clean)
}

fn folder(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Option<String> {
    let path = text(node, "a folder, relative to the repository's root", report)?;
    templates::check(path, declared, node.place, report)?;
    or_report(paths::clean(path).map_err(Problem::new), node.place, report)
}

fn image(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Option<String> {
    let image = text(node, "the image's name, such as harbur/hello-world", report)?;
    templates::check(image, declared, node.place, report)?;
    let sample = variables::sample(image);
    let parts = images::split(&sample);
    if parts.tag.is_some() || parts.digest.is_some() {
        let name = images::split(image).name;
        let problem = Problem::new(format!("the image \"{}\" has a tag of its own", shown(image)))
            .expected(format!("the name alone, \"{}\": a build adds its tags", shown(name)))
            .see("tags");
        report.add(node.place, problem);
        return None;
    }
    or_report(images::check_name(&sample).map_err(Problem::new), node.place, report)?;
    Some(image.to_owned())
}

fn needs(node: &Node, apps: &[(&str, bool)], report: &mut Report<'_>) -> Vec<String> {
    report.within("order", |report| {
        let mut needed: Vec<String> = Vec::new();
        for (name, place) in texts(node, "an app", report).unwrap_or_default() {
            if !apps.iter().any(|(app, _)| *app == name) {
                report.add(place, unknown_app(name, apps));
            } else if needed.iter().all(|known| known != name) {
                needed.push(name.to_owned());
            }
        }
        needed
    })
}

/// Reports a matrix whose combinations would be one image, and one of an app that is released.
fn check_matrix(fields: &[&Entry], app: &App, matrix: &[(String, Vec<String>)], report: &mut Report<'_>) {
    let Some(entry) = field(fields, "matrix").filter(|_| !matrix.is_empty()) else { return };
    if let Some(release) = field(fields, "release") {
        let problem = Problem::new("an app with \"matrix\" cannot be released: it is several images, and one runs")
            .expected("an app of its own for the one that is released");
        report.add(release.place, problem.see("matrix"));
    }
    if app.image.is_empty() {
        return;
    }
    let mut images: Vec<String> = Vec::new();
    for combination in matrix::combinations(&matrix.to_vec()) {
        let image = combination.iter().fold(app.image.clone(), |image, (name, value)| {
            variables::replace(&image, name, &value.replace('$', "$$"))
        });
        let sample = variables::sample(&image);
        if let Err(reason) = images::check_name(&sample) {
            report.add(entry.place, Problem::new(format!("the matrix gives the image \"{sample}\": {reason}")));
            return;
        }
        if images.contains(&image) {
            let missing = matrix.iter().find(|(name, values)| values.len() > 1 && !variables::uses(&app.image, name));
            let name = missing.map_or("NAME", |(name, _)| name);
            let problem = Problem::new(format!("two combinations of the matrix are the same image \"{sample}\""))
                .expected(format!("${{{name}}} in \"image\""));
            report.add(entry.place, problem.see("matrix"));
            return;
        }
        images.push(image);
    }
}

/// Reports apps that would be pushed over each other.
pub(super) fn check_distinct_images(apps: &[App], entries: &[Entry], report: &mut Report<'_>) {
    for (at, app) in apps.iter().enumerate() {
        let same =
            |other: &&App| !app.image.is_empty() && images::familiar(&other.image) == images::familiar(&app.image);
        if let Some(first) = apps[..at].iter().find(same)
            && let Some(entry) = entries.iter().find(|entry| entry.key == app.name)
        {
            let message =
                format!("the apps \"{}\" and \"{}\" have the same image \"{}\"", first.name, app.name, app.image);
            report.add(entry.place, Problem::new(message).expected("an image for each app"));
        }
    }
}
