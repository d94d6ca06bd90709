//! Where a message stands.

use crate::store::text::text_enum;

text_enum! {
    /// Where a message stands. It leaves `waiting` once.
    NotificationState {
        /// For its time, or for another try.
        Waiting = "waiting",
        /// The other side took it.
        Sent = "sent",
        /// The other side does not want it, or was away for too long.
        Failed = "failed",
        /// What it would have told was over, or in somebody's hands, before its time.
        Dropped = "dropped",
    }
}
