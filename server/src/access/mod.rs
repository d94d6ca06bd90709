//! Who may do what: roles, grants, tokens, sessions, and the one layer that every request passes. What is not allowed is refused.

mod authenticate;
mod authorise;
pub mod external;
mod first_token;
mod grant;
mod login_limit;
mod operations;
mod permission;
mod principal;
mod proxies;
mod role;
mod routes;
mod scope;
mod seen;
pub mod session;
mod subject;
#[cfg(test)]
mod table;
pub mod token;
mod token_name;

pub use authorise::{Guard, authorise};
pub use first_token::{FirstToken, Owner, TokenFor, make_first_token, make_token};
pub use grant::{Grant, GrantError, Scope};
pub use login_limit::{LoginLimit, counted_as};
pub use operations::{Answers, ApiRoutes, Operation};
pub use permission::Permission;
pub use principal::{Known, Login, Principal};
pub use proxies::{ProxyError, TrustedProxies};
pub use role::Role;
pub use routes::{Permissions, Routes, Verb};
pub use seen::seen_by;
pub use subject::Subject;
pub use token_name::{TokenNameError, check_token_name};
pub(crate) use token_name::{is_unseen, says_via};
