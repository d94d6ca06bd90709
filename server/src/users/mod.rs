//! People: their accounts, what they are granted, and their passwords. Whatever changes is told in the audit log.

mod account;
mod error;
mod identity;
mod password;
mod token;

pub use account::{
    LINK_MS, allow, bring_back, disable, enable, forbid, invite, invite_again, named, open_session, remove,
    reset_password, set_password,
};
pub use error::UserError;
pub use identity::{IdentityError, come_in, connect, disconnect};
pub use password::{PasswordError, Passwords, check_password};
pub use token::{OwnToken, USUAL_DAYS, make_own_token, revoke_own_token, sees_to};
