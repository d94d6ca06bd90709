//! What every page keeps to, whatever it is filled with.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_imports,
    missing_docs,
    unreachable_pub,
    reason = "tests end at the first surprise"
)]

#[allow(dead_code, reason = "shared with the preview")]
mod fixtures;

use std::fs;

use slipway_web::{Template, measurements::Measurements, parts::Commit, state::State};

#[test]
fn no_page_writes_scripts_styles_or_handlers_into_its_markup() {
    for (name, html) in fixtures::pages() {
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("<script src=\"/assets/").count(), scripts, "{name}: scripts have addresses");
        assert!((2..=3).contains(&scripts), "{name} has {scripts} scripts");
        for forbidden in [" style=", "<style", " onload", " onclick", "javascript:"] {
            assert!(!html.contains(forbidden), "{name} holds {forbidden}");
        }
        assert!(!html.contains("href=\"\"") && !html.contains("src=\"\""), "{name}: an asset is missing");
    }
}

#[test]
fn no_page_with_few_rows_is_larger_than_a_hundred_kilobytes() {
    for (name, html) in fixtures::pages() {
        assert!(html.len() < 100_000, "{name} has {} bytes", html.len());
    }
}

#[test]
fn what_attackers_write_is_text() {
    let attack = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let mut page = fixtures::builds::build_page(State::Failed);
    page.frame.title = attack.into();
    page.commit = Commit { sha: attack.into(), message: format!("{attack}\n{attack}"), author: attack.into() };
    page.reference = attack.into();
    page.reference_address = slipway_web::links::branch("acme/shop", attack);
    page.reason = Some(attack.into());
    page.artifacts[0].tags = vec![attack.into()];
    let html = page.render().unwrap();
    assert!(!html.contains("<img") && !html.contains("</title><script"), "{html}");
    assert_eq!(html.matches("<script").count(), 2, "the page's own");
}

#[test]
fn facts_are_there_without_any_script() {
    let html = fixtures::builds::build_page(State::Failed).render().unwrap();
    for fact in [
        "#43",
        "Show the delivery date on the basket page",
        "Ana Pereira",
        "npm test",
        "exit code 1",
        "37373737",
        "Attempt 2",
        "latest",
        "74.2 MB",
    ] {
        assert!(html.contains(fact), "{fact}");
    }
}

#[test]
fn only_those_who_may_release_see_buttons() {
    let mut page = fixtures::releases::environment("production", true);
    assert!(page.to_string().contains("<button"));
    page.may_deploy = false;
    assert!(!page.to_string().contains("<button"));
}

#[test]
fn what_was_not_measured_yet_is_said() {
    assert!(Measurements::default().to_string().contains("No measurements yet."));
    let drawn = fixtures::measurements::measured_apps().to_string();
    assert!(!drawn.contains("No measurements yet.") && drawn.contains("No measurements in this time."), "{drawn}");
}

#[test]
fn templates_never_switch_escaping_off() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("safe") && !text.contains("escape"), "{} switches escaping off", path.display());
    }
}
