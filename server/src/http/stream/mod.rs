//! Live pages: one stream of server-sent events a page.
//!
//! `changed` says that the page should be read anew, `lines` carries log lines ready to be added. Both have a cursor as
//! their id, so that a browser which lost its connection goes on exactly where it was.

mod cursor;
mod follower;
mod routes;

pub(super) use cursor::Cursor;
pub(super) use routes::routes;
