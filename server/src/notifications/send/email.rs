//! Mail.

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};

use super::{SendError, Sent, TIME};
use crate::secrets::Secret;

/// The server that mail is sent by.
#[derive(Clone)]
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailServer").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Why there is no mail server.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It is no address of a mail server.
    #[error(
        "it is no address such as smtps://USER:PASSWORD@mail.example.com or smtp://mail.example.com:587?tls=required"
    )]
    BadUrl,
    /// Nobody can be written to from there.
    #[error("it is no address such as Slipway <slipway@example.com>")]
    BadFrom,
}

impl MailServer {
    /// The server at this URL (`smtps://…`, or `smtp://…?tls=required` for STARTTLS), which mail is sent by in the name of
    /// `from`.
    ///
    /// # Errors
    /// When either cannot be read. The URL, which may hold a password, is not shown.
    pub fn new(url: &Secret, from: &str) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal()).map_err(|_| MailError::BadUrl)?;
        let from = from.parse().map_err(|_| MailError::BadFrom)?;
        Ok(MailServer { transport: transport.timeout(Some(TIME)).build(), from })
    }

    pub(super) async fn send(&self, to: &[String], sent: &Sent<'_>) -> Result<(), SendError> {
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(sent.message.title())
            .message_id(Some(format!("<{}@{}>", sent.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN);
        for one in to {
            mail = mail.to(one.parse().map_err(|_| SendError::for_ever(format!("{one} cannot be written to")))?);
        }
        let lines = sent.message.lines();
        let text = format!("{}\n\n{}\n\n{}\n", sent.message.title(), lines.join("\n"), sent.link);
        let mail = mail.body(text).map_err(|error| SendError::for_ever(error.to_string()))?;
        match tokio::time::timeout(TIME, self.transport.send(mail)).await {
            Ok(sending) => sending.map(drop).map_err(|error| refused(&error)),
            Err(_) => Err(SendError::for_now(format!("no answer within {} seconds", TIME.as_secs()))),
        }
    }
}

/// An answer of 5xx is final (RFC 5321, 4.2.1); everything else may pass.
fn refused(error: &smtp::Error) -> SendError {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    if error.is_permanent() { SendError::for_ever(reason) } else { SendError::for_now(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_by_url_and_sender() {
        let server = |url: &str, from: &str| MailServer::new(&Secret::new(url), from).map(drop);
        assert!(server("smtps://user:geheim@mail.example.com", "Slipway <slipway@example.com>").is_ok());
        assert!(server("smtp://mail.example.com:587?tls=required", "slipway@example.com").is_ok());
        assert!(matches!(server("https://mail.example.com", "slipway@example.com"), Err(MailError::BadUrl)));
        assert!(matches!(server("smtp://mail.example.com", "Slipway"), Err(MailError::BadFrom)));
    }
}
