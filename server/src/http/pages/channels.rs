//! The forms by which an administrator says who is told of what.

use axum::{extract::State, response::Redirect};
use slipway_web::pages::ChannelForm;

use super::protection::parted;
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::channels as api,
        errors::Problem,
        extract::{Filled, Named},
    },
    notifications::{Address, ChannelKind, NewChannel, Occasion, Rule},
    secrets::Secret,
};

const PAGE: &str = "/alerts";

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/alerts/channels", Permission::Administer, set)
        .post("/alerts/channels/{name}/test", Permission::Administer, test)
        .post("/alerts/channels/{name}/remove", Permission::Administer, remove)
}

/// What a form says, in the order of its fields: a browser repeats a name for every box with a tick.
type Said = Vec<(String, String)>;

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Filled(said): Filled<Said>,
) -> Result<Redirect, Problem> {
    api::make(&state, &principal, &asked(&said)?).await?;
    Ok(Redirect::to(PAGE))
}

async fn test(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::try_out(&state, &principal, &name).await?;
    Ok(Redirect::to(&format!("{PAGE}?tried={name}")))
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::end(&state, &principal, &name).await?;
    Ok(Redirect::to(PAGE))
}

/// The channel that a form asks for.
fn asked(said: &Said) -> Result<NewChannel, Problem> {
    let text = |key: &str| said.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.trim());
    let known = |value: &str| Occasion::ALL.iter().copied().find(|occasion| occasion.as_str() == value);
    let ticked = said.iter().filter(|(name, _)| name == "on").map(|(_, value)| known(value));
    let on =
        ticked.collect::<Option<Vec<_>>>().ok_or_else(|| Problem::unprocessable("Nothing of that name happens."))?;
    let after_minutes = text("after_minutes").parse();
    Ok(NewChannel {
        name: text("name").to_owned(),
        address: address(text("kind"), text("address"), text("secret"))?,
        rule: Rule {
            on,
            repositories: parted(text("repositories")),
            branches: parted(text("branches")),
            environments: parted(text("environments")),
            after_minutes: after_minutes.map_err(|_| Problem::unprocessable("A number of minutes was expected."))?,
        },
    })
}

/// Where a channel of this kind leads; none where no kind is named, and that stays as it is.
fn address(kind: &str, text: &str, secret: &str) -> Result<Option<Address>, Problem> {
    if kind.is_empty() {
        return Ok(None);
    }
    let known = ChannelKind::ALL.iter().find(|known| known.as_str() == kind);
    Ok(Some(match known.ok_or_else(|| Problem::unprocessable("There is no such kind of channel."))? {
        ChannelKind::Webhook => {
            let secret = Some(secret).filter(|secret| !secret.is_empty()).map(Secret::new);
            Address::Webhook { url: Secret::new(text), secret }
        }
        ChannelKind::Slack => Address::Slack { url: Secret::new(text) },
        // A key has no colon; a second word is another place than the usual one.
        ChannelKind::PagerDuty => {
            let (key, url) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            let url = Some(url.trim()).filter(|url| !url.is_empty()).map(str::to_owned);
            Address::PagerDuty { routing_key: Secret::new(key), url }
        }
        ChannelKind::Email => Address::Email { to: parted(text) },
    }))
}

/// The form with a rule as it is.
pub(super) fn form(rule: &Rule) -> ChannelForm {
    ChannelForm {
        kinds: ChannelKind::ALL.iter().map(|kind| kind.as_str()).collect(),
        occasions: Occasion::ALL.iter().map(|occasion| (occasion.as_str(), rule.on.contains(occasion))).collect(),
        repositories: rule.repositories.join(", "),
        branches: rule.branches.join(", "),
        environments: rule.environments.join(", "),
        after_minutes: rule.after_minutes,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn what_the_form_shows_is_what_it_sends() {
        let rule = Rule {
            on: vec![Occasion::ReleaseLive, Occasion::DiskFull],
            repositories: vec!["acme/*".to_owned(), "tools/ci".to_owned()],
            branches: Vec::new(),
            environments: vec!["production".to_owned()],
            after_minutes: 15,
        };
        let shown = form(&rule);
        let mut said: Said = [
            ("name", "ops".to_owned()),
            ("kind", String::new()),
            ("repositories", shown.repositories),
            ("branches", shown.branches),
            ("environments", shown.environments),
            ("after_minutes", shown.after_minutes.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        let ticked = shown.occasions.into_iter().filter(|(_, wanted)| *wanted);
        said.extend(ticked.map(|(occasion, _)| ("on".to_owned(), occasion.to_owned())));
        let new = asked(&said).unwrap();
        assert_eq!((new.rule, new.address.is_none()), (rule, true));
        said.push(("on".to_owned(), "nonsense".to_owned()));
        assert!(asked(&said).is_err());
    }
}
