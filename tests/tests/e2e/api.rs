//! The API as a whole: that it is what its document says, and that what is sent twice is done once.

mod contract;
mod lists;
mod once;
