//! Who may do what: tokens, sessions, and the one layer that every request passes. What is not allowed is refused.

mod authorise;
mod first_token;
mod login_limit;
mod operations;
mod permission;
mod routes;
pub mod session;
pub mod token;
mod token_name;

pub use authorise::{Guard, authorise};
pub use first_token::{make_first_token, make_token};
pub use login_limit::LoginLimit;
pub use operations::{Answers, ApiRoutes, Operation};
pub use permission::{Permission, Principal, Role};
pub use routes::{Permissions, Routes, Verb};
pub use token_name::{TokenNameError, check_token_name};
