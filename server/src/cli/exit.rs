//! The exit codes of the commands that work on a working tree. Where captain has a code of its own, it is that one, so
//! that scripts which look at it go on as they are.

/// A `pre` or `post` command or an image's build failed, or something that has no code of its own.
pub(super) const FAILED: u8 = 1;
/// The command line makes no sense.
pub(super) const USAGE: u8 = 2;
/// An image could not be pushed or pulled.
pub(super) const REGISTRY: u8 = 4;
/// A test failed.
pub(super) const TEST: u8 = 5;
/// There is no git repository, so that nothing can be pushed.
pub(super) const NO_GIT: u8 = 6;
/// There are local changes, so that nothing can be pushed.
pub(super) const DIRTY: u8 = 7;
/// The captain.yml is wrong.
pub(super) const INVALID: u8 = 8;
/// There is neither a captain.yml nor a Dockerfile.
pub(super) const NOTHING: u8 = 9;
/// The captain.yml is of captain's old format.
pub(super) const OLD_FORMAT: u8 = 10;
/// An image could not be deleted.
pub(super) const NOT_DELETED: u8 = 11;
/// Stopped by Ctrl-C, as shells have it: 128 and the signal's number.
pub(super) const INTERRUPTED: u8 = 130;
/// Nobody reads standard output any more, as shells have it: 128 and SIGPIPE's number.
pub(super) const CLOSED: u8 = 141;
