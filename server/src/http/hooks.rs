//! Webhook deliveries from GitHub: checked before they are read, stored before they are answered.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use slipway_pipelines::config::Event;

use super::{
    errors::{Problem, sentence},
    extract::{Named, media_type},
    room::Place,
};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    builds::NewBuild,
    deliveries::{
        Proposer, Refusal, Said,
        github::{self, PayloadError},
        kept, merge_ref, signature,
    },
    ids::DeliveryId,
    intake::{NewDelivery, Received, Verdict},
    store::repositories::{self, Hook, Repository},
};

pub(super) fn routes() -> Routes {
    Routes::new().post("/webhooks/github/{hook}", Permission::Public, receive)
}

/// The longest name of an event and the longest delivery id that are taken, in bytes.
const HEADER_BYTES: usize = 100;

/// The two content types that GitHub can be told to send.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Json,
    Form,
}

/// What a delivery is answered with.
#[derive(Serialize)]
struct Answer {
    delivery: DeliveryId,
    url: String,
    /// The number of the build that it caused.
    build: Option<i64>,
    /// Why there was nothing to do.
    ignored: Option<String>,
    duplicate: bool,
}

/// Takes in a delivery. Up to the check of its signature, a hook that exists and one that does not are treated alike,
/// and nothing of the body is looked at.
///
/// 1. The hook is looked for; where there is none, a decoy takes its place.
/// 2. The body is read, no further than allowed.
/// 3. Its type must be one that GitHub sends.
/// 4. Its signature must hold.
/// 5. It is read, and must be about the hook's own repository.
/// 6. It is stored with what it causes; then it is answered.
async fn receive(
    State(state): State<AppState>,
    Named(hook_id): Named<String>,
    place: Option<Extension<Arc<Place>>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let hook = repositories::by_hook(&mut state.store.read().await?.conn(), &hook_id).await?;
    let of = hook.as_ref().map(|hook| hook.repository.id.clone());
    let taken = take(&state, hook, place, &headers, body).await;
    if let Err(problem) = &taken {
        let (status, reason) = (problem.status().as_u16(), problem.detail().to_owned());
        state.refusals.note(of, Refusal { at: state.store.clock().now(), status, reason });
    }
    taken
}

async fn take(
    state: &AppState,
    hook: Option<Hook>,
    place: Option<Extension<Arc<Place>>>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = state.bodies.take(body).await?;
    let encoding = encoding(headers)?;
    let repository = signed(state, hook, headers, &body.bytes)?;
    if let Some(Extension(place)) = place {
        place.keep();
    }
    let delivery = read(state, &repository, encoding, headers, body.bytes)?;
    if let Some(shortage) = state.store.shortage() {
        return Err(Problem::unavailable(format!("{} Deliver it again then.", sentence(&shortage))));
    }
    Ok(answer(state, state.intake.store(delivery).await?))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    match media_type(headers).as_deref() {
        Some("application/json") => Ok(Encoding::Json),
        Some("application/x-www-form-urlencoded") => Ok(Encoding::Form),
        _ => Err(Problem::unsupported_media_type(
            "Set the webhook's content type to application/json (application/x-www-form-urlencoded is read as well).",
        )),
    }
}

/// The repository that the delivery is for, once its signature was found to hold.
fn signed(state: &AppState, hook: Option<Hook>, headers: &HeaderMap, body: &[u8]) -> Result<Repository, Problem> {
    let secret = state.decoy.secret(&state.sealer, hook.as_ref()).map_err(|error| Problem::internal(&error))?;
    let holds = signature::verify(&secret, body, text(headers, signature::HEADER));
    match hook {
        Some(hook) if holds => Ok(hook.repository),
        _ => Err(Problem::unauthorized(
            "No webhook with this address and signature is known: check its URL and its secret at the forge.",
        )),
    }
}

fn read(
    state: &AppState,
    repository: &Repository,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<NewDelivery, Problem> {
    let event = required(headers, github::EVENT_HEADER, "X-GitHub-Event")?;
    let forge_id = required(headers, github::DELIVERY_HEADER, "X-GitHub-Delivery")?;
    let wrong = |error: PayloadError| Problem::unprocessable(sentence(&error));
    let json = match encoding {
        Encoding::Json => body,
        Encoding::Form => github::payload_of_form(&body).map_err(wrong)?,
    };
    let said = github::read(&event, &json, &repository.name).map_err(wrong)?;
    let verdict = verdict(said, repository, state.config.supersede);
    Ok(NewDelivery {
        repository: repository.id.clone(),
        forge_id,
        event,
        headers: kept(headers),
        payload: json.into(),
        verdict,
    })
}

/// What a delivery asks for, by what it says.
pub(super) fn verdict(said: Said, repository: &Repository, supersede: bool) -> Verdict {
    match said {
        Said::Nothing { reason } => Verdict::Ignored { reason },
        Said::Deleted { git_ref } => Verdict::RefDeleted { git_ref },
        Said::Closed(word) => Verdict::PullRequestClosed(word),
        Said::Proposed(proposal) => Verdict::PullRequest {
            word: proposal.word,
            build: NewBuild {
                repository: repository.id.clone(),
                event: Event::PullRequest.name().to_owned(),
                git_ref: merge_ref(proposal.pull.number),
                commit_sha: proposal.commit,
                message: proposal.title,
                author: proposal.author,
                pusher: String::new(),
                before: proposal.before,
                pull_request: Some(proposal.pull),
                proposer: proposal.proposer,
                supersede,
                asked_for: false,
            },
        },
        Said::Pushed(push) if push.is_skipped() => {
            Verdict::Skipped { git_ref: push.git_ref, commit: push.commit, before: push.before }
        }
        Said::Pushed(push) => Verdict::Build(NewBuild {
            repository: repository.id.clone(),
            event: push.event().name().to_owned(),
            git_ref: push.git_ref,
            commit_sha: push.commit,
            message: push.message,
            author: push.author,
            pusher: push.pusher,
            before: push.before,
            pull_request: None,
            proposer: Proposer::default(),
            supersede,
            asked_for: false,
        }),
    }
}

fn answer(state: &AppState, received: Received) -> Response {
    let (status, delivery, build, ignored) = match received {
        Received::Stored { delivery, build, ignored } => (StatusCode::ACCEPTED, delivery, build, ignored),
        Received::Duplicate { delivery } => (StatusCode::OK, delivery, None, None),
    };
    let url = state.url(&format!("/api/v1/deliveries/{delivery}"));
    let duplicate = status == StatusCode::OK;
    (status, Json(Answer { delivery, url, build, ignored, duplicate })).into_response()
}

fn required(headers: &HeaderMap, name: &str, spelling: &str) -> Result<String, Problem> {
    match text(headers, name) {
        Some(value)
            if (1..=HEADER_BYTES).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(value.to_owned())
        }
        Some(_) => Err(Problem::unprocessable(format!("The header {spelling} is not as GitHub sends it."))),
        None => Err(Problem::unprocessable(format!("The header {spelling} is missing; GitHub always sends it."))),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
