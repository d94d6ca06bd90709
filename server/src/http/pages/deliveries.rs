//! `/deliveries`: what the forges sent, what became of it, and dealing with it once more.

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{DeliveriesPage, DeliveryPage, DeliveryRow},
    time::When,
};

use super::{Html, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::deliveries::deal_with_again,
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    ids::DeliveryId,
    store::{
        Conn, StoreError, builds,
        deliveries::{self, Delivery, DeliveryState, Payload, Which},
        events, repositories,
    },
};

/// The deliveries on a page.
const DELIVERIES: i64 = 40;
/// How much of a payload is shown, in bytes.
const SHOWN: usize = 64 * 1024;
/// Payloads up to this size, in bytes, are indented; larger ones are shown as they came.
const INDENTED: usize = 1024 * 1024;

pub(super) fn routes() -> Routes {
    Routes::new().get("/deliveries", Permission::Read, list).get("/deliveries/{id}", Permission::Administer, show).post(
        "/deliveries/{id}/redeliver",
        Permission::Develop,
        redeliver,
    )
}

/// Which deliveries are asked for. A form sends its empty fields too.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    repository: String,
    #[serde(default)]
    state: String,
    before: Option<DeliveryId>,
}

impl Wanted {
    /// The page with these deliveries.
    fn address(&self, state: &str, before: Option<&DeliveryId>) -> String {
        let fields = [("repository", self.repository.as_str()), ("state", state)];
        let fields = fields.into_iter().chain(before.map(|before| ("before", before.as_str())));
        let said: Vec<String> = fields
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", links::encode(value)))
            .collect();
        if said.is_empty() { "/deliveries".to_owned() } else { format!("/deliveries?{}", said.join("&")) }
    }
}

async fn list(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<DeliveriesPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let wanted = Wanted { repository: wanted.repository.trim().to_owned(), ..wanted };
    let repository = repositories::by_name(conn, &wanted.repository).await?.map(|repository| repository.id);
    let known = [DeliveryState::Accepted, DeliveryState::Ignored];
    let chosen = known.into_iter().find(|known| known.as_str() == wanted.state);
    let which = Which { repository: repository.as_ref(), state: chosen };
    // Of a repository that is not here nothing came.
    let is_nobodys = repository.is_none() && !wanted.repository.is_empty();
    let mut found = match is_nobodys {
        true => Vec::new(),
        false => deliveries::list(conn, which, wanted.before.as_ref(), DELIVERIES + 1).await?,
    };
    let more = found.len() > usize::try_from(DELIVERIES).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(DELIVERIES).unwrap_or(usize::MAX));
    let older = if more { found.last().map(|last| wanted.address(&wanted.state, Some(&last.id))) } else { None };
    let mut rows = Vec::new();
    for delivery in found {
        rows.push(row(conn, delivery, now).await?);
    }
    let mut frame = Frame::new("Deliveries", Section::Deliveries, viewer(&principal));
    if wanted.before.is_none() {
        frame = frame.live(format!("/stream/deliveries?from={since}"));
    }
    let choice = |word: &'static str, state: &str| (word, wanted.address(state, None), wanted.state == state);
    Ok(Html::ok(DeliveriesPage {
        frame,
        deliveries: rows,
        older,
        newest: wanted.before.as_ref().map(|_| wanted.address(&wanted.state, None)),
        states: vec![choice("all", ""), choice("accepted", "accepted"), choice("ignored", "ignored")],
        state: wanted.state.clone(),
        repository: wanted.repository.clone(),
    }))
}

/// The form that has a delivery dealt with once more.
#[derive(Debug, Deserialize)]
struct Again {
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    build_again: bool,
}

async fn redeliver(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<DeliveryId>,
    Filled(asked): Filled<Again>,
) -> Result<Redirect, Problem> {
    let (delivery, _) = deal_with_again(&state, &principal, &id, asked.build_again).await?;
    Ok(Redirect::to(&links::delivery(delivery.id.as_str())))
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<DeliveryId>,
) -> Result<Html<DeliveryPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let missing = || StoreError::missing("delivery", &id);
    let found = deliveries::find(conn, &id).await?.ok_or_else(missing)?;
    let payload = deliveries::payload(conn, &id).await?.ok_or_else(missing)?;
    let ((payload, cut), removed) = match payload {
        Payload::Kept(bytes) => (readable(&bytes), None),
        Payload::Removed { at } => (Default::default(), Some(at)),
    };
    Ok(Html::ok(DeliveryPage {
        frame: Frame::new(format!("Delivery of {}", found.event), Section::Deliveries, viewer(&principal))
            .under("Deliveries", "/deliveries"),
        id: found.id.to_string(),
        headers: headers(conn, &found).await?,
        again_of: found.again_of.as_ref().map(|of| links::delivery(of.as_str())),
        caused: match &found.build_id {
            Some(build) => builds::find(conn, build).await?.map(|build| build.state.into()),
            None => None,
        },
        redeliver: (removed.is_none() && found.again_of.is_none())
            .then(|| format!("{}/redeliver", links::delivery(id.as_str()))),
        delivery: row(conn, found, now).await?,
        removed: removed.map(|at| When { at, now }),
        payload,
        cut,
    }))
}

/// The headers of a delivery that the forge sent. Of one that came before they were kept, those that say what it is.
async fn headers(conn: &mut Conn<'_>, delivery: &Delivery) -> Result<Vec<(String, String)>, Problem> {
    if delivery.again_of.is_some() {
        return Ok(Vec::new());
    }
    let mut kept = deliveries::headers(conn, &delivery.id).await?;
    for (name, value) in [("X-GitHub-Event", &delivery.event), ("X-GitHub-Delivery", &delivery.forge_id)] {
        kept.entry(name.to_owned()).or_insert_with(|| value.clone());
    }
    Ok(kept.into_iter().collect())
}

pub(super) async fn row(conn: &mut Conn<'_>, delivery: Delivery, now: i64) -> Result<DeliveryRow, Problem> {
    let repository = repositories::find(conn, &delivery.repository_id).await?;
    let name = repository.map_or_else(String::new, |repository| repository.name);
    Ok(DeliveryRow {
        address: links::delivery(delivery.id.as_str()),
        state: delivery.state.into(),
        event: delivery.event,
        repository_address: links::repository(&name),
        build: delivery.build_number.map(|number| (number, links::build(&name, number))),
        repository: name,
        reason: delivery.reason,
        is_again: delivery.again_of.is_some(),
        when: When { at: delivery.received_at, now },
    })
}

/// A payload for reading, and how many bytes of it are left out.
fn readable(payload: &[u8]) -> (String, usize) {
    let text = String::from_utf8_lossy(payload);
    // Read as values, whose depth has a limit: each level of depth would indent every line below it.
    let is_json = payload.len() <= INDENTED && serde_json::from_str::<serde_json::Value>(&text).is_ok();
    let indented = is_json.then(|| indent(&text));
    let text = indented.unwrap_or_else(|| text.into_owned());
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (text[..end].to_owned(), text.len() - end)
}

/// JSON with a line for each value, its members in the order in which they came.
fn indent(json: &str) -> String {
    let mut indented = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped, mut was_opened) = (0_usize, false, false, false);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    for character in json.chars().filter(|character| !character.is_control()) {
        if in_string {
            indented.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        if character != ' ' && was_opened != closes {
            line(&mut indented, depth);
        }
        match character {
            ' ' => continue,
            ',' => {
                indented.push(',');
                line(&mut indented, depth);
            }
            ':' => indented.push_str(": "),
            '{' | '[' => {
                depth += 1;
                indented.push(character);
            }
            other => {
                in_string = other == '"';
                indented.push(other);
            }
        }
        was_opened = matches!(character, '{' | '[');
    }
    indented
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, readable};

    #[test]
    fn payloads_are_indented_and_cut() {
        assert_eq!(readable(b"{\"b\":1,\"a\":[2]}").0, "{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}");
        assert_eq!(
            readable(br#"{"a": {}, "b": "x, {\"y\": [1]}\\"}"#).0,
            "{\n  \"a\": {},\n  \"b\": \"x, {\\\"y\\\": [1]}\\\\\"\n}"
        );
        assert_eq!(readable(b"not json"), ("not json".to_owned(), 0));
        let deep = "[".repeat(400_000) + &"]".repeat(400_000);
        assert!(readable(deep.as_bytes()).0.starts_with("[[["), "what is nested without measure is shown as it came");
        let long = "é".repeat(SHOWN);
        let (text, cut) = readable(long.as_bytes());
        assert_eq!((text.len(), cut), (SHOWN, SHOWN));
    }
}
