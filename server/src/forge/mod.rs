//! What forges are shown: the states of builds as commit statuses, those of releases as deployments.
//!
//! The reader follows the events and notes what the forge is to show, in the transaction that moves on the mark of what it
//! has read; the courier sends it until the forge has accepted it. It is an outbox of its own beside the notifications':
//! a message is news, and each is sent; a report is a state, of which only the newest counts.

mod address;
mod asked;
mod courier;
mod credential;
mod fetching;
mod github;
mod read;
mod reader;
mod report;
mod state;

pub use address::difference;
pub use asked::{Asked, Statuses};
pub use courier::{report_due, run_courier};
pub(crate) use credential::for_repository;
pub use credential::{Credential, CredentialError, CredentialKind, NewCredential, remove_credential, set_credential};
pub(crate) use fetching::{login, to_fetch};
pub use github::{Forges, Refusal, Standing};
pub use reader::{read_reports, run_reader};
pub use report::{Deployment, DeploymentState, Report, Status, StatusState};
pub use state::ReportState;
