//! Sending one message to one address, each kind in its own form.

mod email;
mod pagerduty;
mod slack;
mod webhook;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header, redirect};

pub use email::{MailError, MailServer};

use super::{Address, Message};
use crate::ids::NotificationId;

/// How long one message may take.
const TIME: Duration = Duration::from_secs(15);
/// The most characters of an answer that are kept.
const ANSWER: usize = 200;
/// The longest time that another side may ask us to wait for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Sends messages.
#[derive(Debug, Clone)]
pub struct Sender {
    http: Client,
    mail: Option<MailServer>,
    /// Where people reach this server, without a slash at the end.
    base: String,
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// What happened, without the address that it was sent to.
    pub reason: String,
    /// Whether it may go better later.
    pub again: Again,
}

/// Whether sending may go better later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It may, but not before so long.
    After(Duration),
    /// It will not: the other side does not want it.
    Never,
}

impl SendError {
    fn for_now(reason: impl Into<String>) -> Self {
        SendError { reason: reason.into(), again: Again::After(Duration::ZERO) }
    }

    fn for_ever(reason: impl Into<String>) -> Self {
        SendError { reason: reason.into(), again: Again::Never }
    }
}

/// A message on its way.
pub(super) struct Sent<'a> {
    /// Its id: the same each time that it is sent, so that the other side can tell that it has it already.
    id: &'a NotificationId,
    message: &'a Message,
    /// Its page.
    link: String,
}

impl Sender {
    /// Sends by this mail server, and links to the server's pages at `base`.
    ///
    /// # Errors
    /// When the operating system's certificates cannot be read.
    pub fn new(mail: Option<MailServer>, base: &str) -> Result<Self, reqwest::Error> {
        slipway_runner::tls::provide();
        // Whoever answers with a redirect would get what is meant for the registered address alone.
        let http = Client::builder().timeout(TIME).redirect(redirect::Policy::none()).build()?;
        Ok(Sender { http, mail, base: base.trim_end_matches('/').to_owned() })
    }

    /// Whether there is a mail server.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Sends one message. It may arrive although this fails, as when the answer is lost.
    ///
    /// # Errors
    /// [`SendError`] says why not, and whether to try again.
    pub async fn send(&self, address: &Address, id: &NotificationId, message: &Message) -> Result<(), SendError> {
        let sent = Sent { id, message, link: format!("{}{}", self.base, message.page) };
        match address {
            Address::Webhook { url, secret } => post(webhook::request(&self.http, url, secret.as_ref(), &sent)).await,
            Address::Slack { url } => post(slack::request(&self.http, url, &sent)).await,
            Address::PagerDuty { routing_key, .. } => {
                post(pagerduty::request(&self.http, address.pagerduty_url(), routing_key, &sent)).await
            }
            Address::Email { to } => match &self.mail {
                Some(server) => server.send(to, &sent).await,
                None => Err(SendError::for_ever("[mail] of the server's configuration names no mail server")),
            },
        }
    }
}

async fn post(request: RequestBuilder) -> Result<(), SendError> {
    let answer = request.send().await.map_err(|error| SendError::for_now(unreached(&error)))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let said = beginning(answer).await;
    let reason = if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
    let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passes.contains(&status) {
        let wait = asked.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_WAIT);
        return Err(SendError { reason, again: Again::After(wait) });
    }
    Err(SendError::for_ever(reason))
}

/// What went wrong on the way; the address is left out, as it may hold a secret.
fn unreached(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", TIME.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("cannot be reached: {cause}")
}

/// The beginning of an answer, on one line.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER * 4
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(ANSWER).collect()
}
