//! The pages of settings: what is set by forms is what the API knows, and what is secret is shown once or never.

use reqwest::header;
use slipway_tests::browser::Browser;

use super::scene::{Scene, client};

/// Somebody logged in, at the first page of the settings.
async fn at_the_settings(scene: &Scene) -> Browser {
    let browser = Browser::open().await;
    browser.goto(&scene.url("/login?next=/")).await;
    browser.type_into("#token", &format!("{}\u{e007}", scene.token())).await;
    browser.press("Settings").await;
    browser.shows("h1", "Secrets").await;
    browser
}

#[tokio::test]
async fn an_administrator_sets_what_the_server_needs_by_the_pages_alone() {
    let scene = Scene::new().await;
    let browser = at_the_settings(&scene).await;

    // A login with a mistake: what was typed stays, but for the password.
    browser.press("Registries").await;
    browser.shows(".empty", "Slipway knows no login").await;
    browser.type_into("[name=host]", "https://registry.example.com").await;
    browser.type_into("[name=username]", "bot").await;
    browser.type_into("[name=password]", "geheim").await;
    browser.type_into("[name=repositories]", "acme/*").await;
    browser.press("Set the login").await;
    browser.shows("[role=alert]", "no scheme or path").await;
    let kept = "[...document.querySelectorAll('#set input')].slice(0, 4).map((e) => e.value).join()";
    browser.until(&format!("{kept} === 'https://registry.example.com,bot,,acme/*'")).await;
    browser.eval("document.querySelector('[name=host]').value = 'registry.example.com'").await;
    browser.type_into("[name=password]", "geheim").await;
    browser.press("Set the login").await;
    browser.shows("[role=status]", "The login for registry.example.com is set").await;
    browser.shows(".kept", "for acme/*").await;
    let pages = browser.client().source().await.unwrap();
    assert!(!pages.contains("geheim"), "the password is on no page");

    // A token is shown once, and opens the API.
    browser.press("Tokens").await;
    browser.type_into("[name=name]", "Ana").await;
    browser.eval("document.querySelector('#make [name=role]').value = 'administrator'").await;
    browser.press("Make the token").await;
    browser.shows("h1", "The token Ana is made").await;
    let token = browser.eval("return document.querySelector('#value').value").await.as_str().unwrap().to_owned();
    let asked = async || {
        let asking = client().get(scene.url("/api/v1/tokens")).header(header::AUTHORIZATION, format!("Bearer {token}"));
        asking.send().await.unwrap().status()
    };
    assert_eq!(asked().await, 200);
    browser.press("To the tokens").await;
    browser.shows(".tokens", "Ana").await;
    browser.until("document.querySelector('.tokens tbody tr td:nth-child(5) time') !== null").await;
    assert!(!browser.client().source().await.unwrap().contains(&token));
    browser.press("Revoke").await;
    browser.press("Revoke Ana").await;
    browser.press("those that were revoked").await;
    browser.shows(".tokens th[scope=row]", "Ana").await;
    assert_eq!(asked().await, 401);

    // The audit log names all of it, and one kind alone where that is asked for.
    browser.press("Audit").await;
    browser.shows(".audit", "registry.login").await;
    browser.press("token.create").await;
    browser.until("[...document.querySelectorAll('.audit .c-ref')].every((e) => e.innerText === 'token.create')").await;
    browser.shows(".audit", "Ana").await;
    scene.stop().await;
}

#[tokio::test]
async fn a_repository_is_set_up_on_its_own_page() {
    let scene = Scene::new().await;
    scene.ship(1, "Show the delivery date").await;
    scene.ping().await;
    let browser = at_the_settings(&scene).await;
    browser.press("Repositories").await;
    browser.press("acme/shop").await;
    browser.press("Builds").await;
    browser.click(".tabs a[href$='/settings']").await;
    browser.shows("#webhook", "Let me select individual events: Pushes, Pull requests").await;
    browser.shows("#webhook", "ping").await;

    browser.press("Set a secret").await;
    browser.type_into("#set-secret [name=name]", "NPM_TOKEN").await;
    browser.type_into("#set-secret [name=value]", "geheim").await;
    browser.eval("document.querySelector('#set-secret [name=environment]').value = 'staging'").await;
    browser.press("Set the secret").await;
    browser.shows("[role=status]", "The secret is set").await;
    browser.shows("#secrets", "in staging alone").await;
    browser.press("Replace").await;
    browser.type_into("#set-secret [name=value]", "geheimer").await;
    browser.press("Set the secret").await;
    browser.shows("#secrets", "version 2, an earlier value is kept").await;
    browser.goto(&scene.url("/settings/secrets")).await;
    browser.shows(".of-repositories", "NPM_TOKEN").await;
    browser.press("acme/shop").await;
    browser.press("Remove").await;
    browser.press("Remove NPM_TOKEN").await;
    browser.shows("#secrets", "None is set").await;

    // A source that cannot be fetched from is refused with what was typed; a good one is taken.
    browser.eval("document.querySelector('[name=clone_url]').value = '/etc/passwd'").await;
    browser.click("#source button").await;
    browser.shows("[role=alert]", "is not fetched from").await;
    browser.until("document.querySelector('[name=clone_url]').value === '/etc/passwd'").await;
    browser.eval("document.querySelector('[name=clone_url]').value = 'https://git.example.com/acme/shop.git'").await;
    browser.type_into("[name=builds_at_once]", "3").await;
    browser.click("#source button").await;
    browser.shows("[role=status]", "fetched so from now on").await;
    browser.until("document.querySelector('[name=builds_at_once]').value === '3'").await;

    // The webhook's secret is made anew, and shown once.
    browser.press("Make a new secret").await;
    browser.click("#webhook .danger").await;
    browser.shows("h1", "The webhook has a new secret").await;
    let secret = browser.eval("return document.querySelector('#value').value").await.as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 43);
    browser.press("To the settings").await;
    browser.shows("h1", "Settings").await;
    assert!(!browser.client().source().await.unwrap().contains(&secret));
    assert!(scene.page("/repositories/acme/shop").await.contains("git.example.com"));
    scene.stop().await;
}

#[tokio::test]
async fn a_repository_is_let_go_once_its_name_is_typed_and_nothing_of_it_runs() {
    let scene = Scene::new().await;
    scene.ship(1, "Show the delivery date").await;
    let cookie = scene.log_in().await;
    let settings = "/repositories/acme/shop/settings";
    assert!(scene.page_of(settings, &cookie).await.contains("its releases are live in dev"));
    let disconnect = async |form: &str| {
        let answer = scene.post(&format!("{settings}/disconnect"), form, Some(&cookie)).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, said) = disconnect("name=acme/other&force=true").await;
    assert!(status == 422 && said.contains("its name must be typed as it is: acme/shop"), "{status} {said}");
    let (status, said) = disconnect("name=acme/shop").await;
    assert!(status == 422 && said.contains("Its releases are live in dev. Wait for its end"), "{status} {said}");
    assert_eq!(disconnect("name=acme/shop&force=true").await.0, 303);
    assert_eq!(scene.get("/repositories/acme/shop").await.status(), 404);
    assert!(scene.page("/").await.contains("No repository is connected yet"));
    assert!(scene.page_of("/settings/audit", &cookie).await.contains("repository.disconnect"));
    scene.stop().await;
}

#[tokio::test]
async fn settings_are_for_those_who_may_change_things() {
    let scene = Scene::new().await;
    assert!(!scene.page("/").await.contains("/settings"), "a reader is not led there");
    for path in ["/settings/tokens", "/settings/audit", "/repositories/acme/shop/settings"] {
        let refused = scene.get(path).await;
        assert!(refused.headers()[header::LOCATION].to_str().unwrap().starts_with("/login"), "{path}");
    }
    let cookie = scene.log_in().await;
    let long = format!("name={}&environment=&value={}", "A".repeat(64), "%C3%A9".repeat(30_000));
    let set = scene.post("/repositories/acme/shop/settings/secrets", &long, Some(&cookie)).await;
    assert_eq!(set.status(), 303, "a value may be as long as by the API");
    scene.stop().await;
}

/// Sets the password that the page of an invitation asks for.
pub(super) async fn set_password(browser: &Browser) {
    browser.type_into("#password", "four blue boats tonight").await;
    browser.type_into("#again", "four blue boats tonight").await;
    browser.press("Set the password").await;
    browser.until("location.pathname === '/'").await;
}

#[tokio::test]
async fn a_developer_who_was_invited_builds_and_is_offered_nothing_else() {
    let scene = Scene::closed().await;
    scene.connect("tools/cli").await;
    scene.ship(1, "Show the delivery date").await;
    let browser = Browser::open().await;
    browser.goto(&scene.invite("bo", "developer", Some("acme/*")).await).await;
    browser.shows("h1", "Welcome, bo").await;
    set_password(&browser).await;

    // What they may not see is on no page, and what they may not do is offered on none.
    browser.shows("main", "shop").await;
    let home = browser.text("body").await;
    assert!(!home.contains("tools") && !home.contains("Settings") && !home.contains("Runners"), "{home}");
    browser.goto(&scene.url("/repositories/acme/shop")).await;
    browser.shows(".tabs", "Environments").await;
    assert!(!browser.text(".tabs").await.contains("Settings"));
    for path in ["/repositories/acme/shop/environments", "/repositories/acme/shop/environments/dev"] {
        browser.goto(&scene.url(path)).await;
        browser.shows("main", "dev").await;
        let forms = "return [...document.querySelectorAll('main form[method=post]')].map((e) => e.action).join()";
        assert_eq!(browser.eval(forms).await, "", "{path}");
    }
    for path in ["/settings/users", "/repositories/acme/shop/settings"] {
        browser.goto(&scene.url(path)).await;
        browser.shows("h1", "This is not allowed").await;
    }
    browser.goto(&scene.url("/repositories/tools/cli")).await;
    browser.shows("h1", "There is nothing here").await;

    // They have a branch built, as the API would; and make a token for that, which is shown once.
    browser.goto(&scene.url("/repositories/acme/shop")).await;
    browser.click("#ask summary").await;
    browser.click("#ask button.primary").await;
    browser.until("location.pathname.startsWith('/repositories/acme/shop/builds/')").await;
    browser.goto(&scene.url("/account")).await;
    browser.click("#tokens summary").await;
    let offered =
        browser.eval("return [...document.querySelectorAll('#tokens option')].map((e) => e.value).join()").await;
    assert_eq!(offered, "viewer,developer", "no more than they are");
    browser.type_into("#tokens [name=name]", "laptop").await;
    browser.type_into("#tokens [name=password]", "four blue boats tonight").await;
    browser.press("Make the token").await;
    browser.shows("h1", "The token laptop is made").await;
    let value = "return document.querySelector('#value').value";
    assert!(browser.eval(value).await.as_str().unwrap().starts_with("slipway_"));
    browser.press("To your account").await;
    browser.shows("#tokens", "not used yet").await;
    browser.click("#tokens form button").await;
    browser.until("!document.querySelector('#tokens').innerText.includes('laptop')").await;
    scene.stop().await;
}
