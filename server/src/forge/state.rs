//! Where a report stands.

use crate::store::text::text_enum;

text_enum! {
    /// Where a report stands. Something new to show makes it wait again, whatever became of it before.
    ReportState {
        /// To be sent, or sent again.
        Waiting = "waiting",
        /// The forge shows it.
        Sent = "sent",
        /// The forge does not want it, or was away for too long.
        Failed = "failed",
    }
}
