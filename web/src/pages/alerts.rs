use askama::Template;

use crate::{frame::Frame, time::When};

/// `/alerts`: what is wrong now, and who is told.
#[derive(Debug, Template)]
#[template(path = "alerts.html")]
pub struct AlertsPage {
    /// What surrounds it.
    pub frame: Frame,
    /// What is wrong now, newest first.
    pub open: Vec<AlertRow>,
    /// What was wrong lately, the newest end first.
    pub over: Vec<AlertRow>,
    /// The channels by name; none where the viewer may not see who is told.
    pub channels: Option<Vec<ChannelRow>>,
    /// The channel that has just taken a test; none where none was sent.
    pub tried: Option<String>,
    /// The form of a channel that is not there yet.
    pub new_channel: ChannelForm,
}

/// What a channel is told, as a form shows it.
#[derive(Debug, Default)]
pub struct ChannelForm {
    /// The kinds of channels that there are.
    pub kinds: Vec<&'static str>,
    /// Of what it may be told, and whether it is.
    pub occasions: Vec<(&'static str, bool)>,
    /// Patterns of repositories, parted by commas.
    pub repositories: String,
    /// Patterns of branches.
    pub branches: String,
    /// Patterns of environments.
    pub environments: String,
    /// After how many minutes it is told of trouble.
    pub after_minutes: u32,
}

/// Trouble.
#[derive(Debug)]
pub struct AlertRow {
    /// Where its forms go.
    pub address: String,
    /// What happened, in one line.
    pub title: String,
    /// The page of what failed last, or of what went well at last.
    pub page: String,
    /// Why, as far as there is a reason.
    pub reason: Option<String>,
    /// How often it was met.
    pub times: i64,
    /// When it began; of one that is over, when it ended.
    pub when: When,
    /// Who looks after it, and since when.
    pub taken: Option<(String, When)>,
}

/// A channel.
#[derive(Debug)]
pub struct ChannelRow {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it leads.
    pub target: String,
    /// What it is told.
    pub told: String,
    /// Where its forms go.
    pub address: String,
    /// The form that changes it.
    pub form: ChannelForm,
    /// How its newest message went: the word, whether that is as it should be (none where that is still open), the reason,
    /// and when; none before the first.
    pub last: Option<(&'static str, Option<bool>, Option<String>, When)>,
}
