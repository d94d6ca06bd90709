//! How a request is refused: problem details (RFC 9457) for machines, plain sentences in them for people.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access::external::ExternalError,
    environments::{ProtectionError, RecentLogError},
    forge::CredentialError,
    notifications::ChannelError,
    releases::ReleaseError,
    runners::RunnerError,
    secrets::{KeyError, repository::SecretError, rotation::RotationError},
    store::StoreError,
    users::{IdentityError, UserError},
};

/// A refusal. Its text is for whoever sent the request; it holds nothing internal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
}

/// The refusals that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Conflict,
    /// The same request is still carried out.
    UnderWay,
    Gone,
    TooLarge,
    UnsupportedMediaType,
    Unprocessable,
    TooManyRequests,
    Internal,
    Unavailable,
    /// The database gave the transaction up for another one: nothing was done.
    GivenUp,
}

/// A refusal, as RFC 9457 has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Details<'a> {
    /// What it is, for programs: `urn:slipway:problem:not-found` and the like.
    r#type: String,
    /// What it is, in a word.
    title: &'a str,
    /// The answer's status.
    status: u16,
    /// What went wrong and what to do, in a sentence.
    detail: &'a str,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
            Kind::Conflict | Kind::UnderWay => StatusCode::CONFLICT,
            Kind::Gone => StatusCode::GONE,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unavailable | Kind::GivenUp => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)+) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(detail: impl Into<String>) -> Self {
            Problem { kind: Kind::$kind, detail: detail.into() }
        })+
    };
}

impl Problem {
    problems! {
        /// 400: the request makes no sense.
        bad_request: BadRequest;
        /// 401: who asks was not proved.
        unauthorized: Unauthorized;
        /// 403: who asks may not.
        forbidden: Forbidden;
        /// 404: there is no such thing.
        not_found: NotFound;
        /// 405: the thing is there, but this cannot be done with it.
        method_not_allowed: MethodNotAllowed;
        /// 408: the body came too slowly.
        timeout: Timeout;
        /// 409: not in the present state.
        conflict: Conflict;
        /// 409: the same request is still carried out.
        under_way: UnderWay;
        /// 410: it was here once.
        gone: Gone;
        /// 413: the body is too large.
        too_large: TooLarge;
        /// 415: the body's type is not one that is read here.
        unsupported_media_type: UnsupportedMediaType;
        /// 422: the body was understood, and is wrong.
        unprocessable: Unprocessable;
        /// 429: slow down.
        too_many_requests: TooManyRequests;
        /// 503: not now.
        unavailable: Unavailable;
    }

    /// 500: something failed that the sender can do nothing about. The error goes to the log, not to the sender.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "a request failed");
        Problem { kind: Kind::Internal, detail: "Something failed in the server; its log says what.".to_owned() }
    }

    /// 413: the body of an API request or a form is too large.
    #[must_use]
    pub fn body_too_large() -> Self {
        Problem::too_large("The body could not be read whole; it is larger than what is taken here.")
    }

    /// Whether nothing was done, and the same request may succeed at once.
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        self.kind == Kind::GivenUp
    }

    /// The status that it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What went wrong, in a sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let details = Details {
            r#type: format!("urn:slipway:problem:{}", title.to_lowercase().replace(' ', "-")),
            title,
            status: status.as_u16(),
            detail: &self.detail,
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"slipway\""));
            }
            Kind::UnderWay => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Kind::Unavailable | Kind::GivenUp | Kind::TooManyRequests => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            }
            _ => {}
        }
        // For the layer that draws refusals as pages where a browser asked.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => Problem::not_found(sentence(&error)),
            StoreError::Illegal { .. } | StoreError::Conflict { .. } | StoreError::Refused(_) => {
                Problem::conflict(sentence(&error))
            }
            StoreError::Closed => Problem::unavailable(sentence(&error)),
            full if full.is_disk_full() => {
                tracing::error!(error = %full, "there is no room on the disk of the database");
                Problem::unavailable("The disk of the database is full: nothing can be stored until there is room.")
            }
            StoreError::Archive { .. } => {
                tracing::warn!(%error, "a log could not be read");
                Problem::unavailable("The archive in which this log is kept does not answer now.")
            }
            transient if transient.is_transient() => {
                tracing::warn!(error = %transient, "the database could not answer now");
                let kind = if transient.is_given_up() { Kind::GivenUp } else { Kind::Unavailable };
                Problem { kind, detail: "The database cannot answer now; try again in a moment.".to_owned() }
            }
            other => Problem::internal(&other),
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Store(error) => error.into(),
            SecretError::TooMany | SecretError::TooManyOfInstance => Problem::conflict(sentence(&error)),
            other => Problem::unprocessable(sentence(&other)),
        }
    }
}

impl From<RotationError> for Problem {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Store(error) => error.into(),
            RotationError::Others { .. } | RotationError::Key(KeyError::NoOther) => Problem::conflict(sentence(&error)),
            RotationError::Key(error) => Problem::internal(&error),
        }
    }
}

impl From<RecentLogError> for Problem {
    fn from(error: RecentLogError) -> Self {
        match error {
            RecentLogError::Store(error) => error.into(),
            RecentLogError::Homeless(_) => Problem::conflict(sentence(&error)),
            RecentLogError::Gone(_) | RecentLogError::Refused { .. } => Problem::not_found(sentence(&error)),
            RecentLogError::Silent(_)
            | RecentLogError::Busy(_)
            | RecentLogError::Unanswered { .. }
            | RecentLogError::Unreadable(_) => Problem::unavailable(sentence(&error)),
        }
    }
}

impl From<RunnerError> for Problem {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Store(error) => error.into(),
            RunnerError::NameTaken(_) => Problem::conflict(sentence(&error)),
            RunnerError::Unknown(_) => Problem::not_found(sentence(&error)),
            RunnerError::BadName | RunnerError::BadLabels(_) => Problem::unprocessable(sentence(&error)),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Store(error) => error.into(),
            UserError::Unknown(_) | UserError::NotGranted(_) | UserError::NotRemoved(_) => {
                Problem::not_found(sentence(&error))
            }
            UserError::Last(_)
            | UserError::TooMany(_)
            | UserError::TooManyTokens(_)
            | UserError::Changed
            | UserError::Retired(_)
            | UserError::OfGroups { .. } => Problem::conflict(sentence(&error)),
            UserError::Beyond { .. } | UserError::BeyondToken => Problem::forbidden(sentence(&error)),
            UserError::Name(_)
            | UserError::Divided
            | UserError::Grant(_)
            | UserError::Password(_)
            | UserError::TokenDays(_) => Problem::unprocessable(sentence(&error)),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Store(error) => error.into(),
            IdentityError::User(error) => error.into(),
            IdentityError::Entrance(_)
            | IdentityError::Unlinked { .. }
            | IdentityError::Disabled(_)
            | IdentityError::Removed { .. } => Problem::forbidden(sentence(&error)),
            IdentityError::Taken { .. } | IdentityError::TooMany | IdentityError::Last(_) => {
                Problem::conflict(sentence(&error))
            }
            IdentityError::NotConnected => Problem::not_found(sentence(&error)),
        }
    }
}

impl From<ExternalError> for Problem {
    fn from(error: ExternalError) -> Self {
        match error {
            ExternalError::Unreached { .. } => Problem::unavailable(sentence(&error)),
            ExternalError::Refused { .. } | ExternalError::Untrusted { .. } => Problem::forbidden(sentence(&error)),
        }
    }
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Store(error) => error.into(),
            ChannelError::Sealed(_) | ChannelError::Unknown(_) => Problem::conflict(sentence(&error)),
            wrong => Problem::unprocessable(sentence(&wrong)),
        }
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Store(error) => error.into(),
            wrong => Problem::unprocessable(sentence(&wrong)),
        }
    }
}

impl From<ProtectionError> for Problem {
    fn from(error: ProtectionError) -> Self {
        match error {
            ProtectionError::Store(error) => error.into(),
            wrong => Problem::unprocessable(sentence(&wrong)),
        }
    }
}

impl From<ReleaseError> for Problem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::UnknownEnvironment { .. } | ReleaseError::UnknownRelease { .. } => {
                Problem::not_found(sentence(&error))
            }
            ReleaseError::Removed { .. }
            | ReleaseError::FedByBranch { .. }
            | ReleaseError::NothingLive { .. }
            | ReleaseError::AlreadyLive { .. }
            | ReleaseError::NeverLive { .. }
            | ReleaseError::NotHeld { .. }
            | ReleaseError::NotUnderWay { .. }
            | ReleaseError::NotPaused { .. }
            | ReleaseError::NothingToRestore { .. }
            | ReleaseError::NothingEarlier { .. } => Problem::conflict(sentence(&error)),
            ReleaseError::NoApprover { .. } | ReleaseError::OwnRelease { .. } => Problem::forbidden(sentence(&error)),
            ReleaseError::Store(error) => error.into(),
        }
    }
}

/// An error's text as a sentence.
pub(crate) fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return text };
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}
