//! What surrounds every page: title, navigation, who looks at it, and where its live changes come from.

use crate::state::Tone;

/// The frame of a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The page's name in the browser's tab.
    pub title: String,
    /// The part of the dashboard that it belongs to.
    pub section: Section,
    /// The way up, outermost first, without the page itself.
    pub crumbs: Vec<Crumb>,
    /// Who looks at it.
    pub viewer: Viewer,
    /// The address of its event stream, with the cursor from which on to listen; none for pages that do not change.
    pub stream: Option<String>,
    /// What the tab's icon says.
    pub tone: Tone,
}

/// The parts of the dashboard that the navigation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Repositories, builds, environments.
    Repositories,
    /// What is wrong.
    Alerts,
    /// Webhook deliveries.
    Deliveries,
    /// Services.
    Services,
    /// Runners.
    Runners,
    /// What holds for the whole server.
    Settings,
    /// None of them.
    Elsewhere,
    /// Where one is let in: nowhere else can be gone to from there.
    Door,
}

/// A link to a page further up.
#[derive(Debug, Clone)]
pub struct Crumb {
    /// Its name.
    pub text: String,
    /// Its address.
    pub address: String,
}

/// Who looks at a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// It was not found out, as on the pages of errors.
    Unseen,
    /// Nobody who is known; reads what is public.
    Anonymous,
    /// Someone logged in.
    Known {
        /// Their name.
        name: String,
        /// What they may do with what the page is about.
        here: Rights,
        /// What they may do with the server as a whole.
        server: Rights,
        /// Whether they have an account, and not only a token.
        has_account: bool,
    },
}

/// What somebody may do with something. Each holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Nothing, not even see it.
    Nothing,
    /// See it.
    Read,
    /// Build it.
    Develop,
    /// Release it.
    Deploy,
    /// Set it up.
    Administer,
}

impl Viewer {
    /// What they may do with what the page is about.
    #[must_use]
    pub fn here(&self) -> Rights {
        match self {
            Viewer::Unseen => Rights::Nothing,
            Viewer::Anonymous => Rights::Read,
            Viewer::Known { here, .. } => *here,
        }
    }

    /// What they may do with the server as a whole: what the navigation names. Somebody unknown is let in by `public_read`
    /// alone, which shows the whole server.
    #[must_use]
    pub fn server(&self) -> Rights {
        match self {
            Viewer::Unseen | Viewer::Anonymous => Rights::Read,
            Viewer::Known { server, .. } => *server,
        }
    }

    /// Whether they are shown what builds it.
    #[must_use]
    pub fn may_develop(&self) -> bool {
        self.here() >= Rights::Develop
    }

    /// Whether they are shown what releases it.
    #[must_use]
    pub fn may_deploy(&self) -> bool {
        self.here() >= Rights::Deploy
    }

    /// Whether they are shown what sets it up.
    #[must_use]
    pub fn may_administer(&self) -> bool {
        self.here() >= Rights::Administer
    }

    /// Whether they see what is of no one repository.
    #[must_use]
    pub fn sees_server(&self) -> bool {
        self.server() >= Rights::Read
    }

    /// Whether they set up the server.
    #[must_use]
    pub fn may_administer_server(&self) -> bool {
        self.server() >= Rights::Administer
    }

    pub(crate) fn only_reads(&self) -> bool {
        self.here().max(self.server()) <= Rights::Read
    }
}

impl Frame {
    /// A frame with nothing above it and nothing live in it.
    #[must_use]
    pub fn new(title: impl Into<String>, section: Section, viewer: Viewer) -> Self {
        Frame { title: title.into(), section, crumbs: Vec::new(), viewer, stream: None, tone: Tone::Quiet }
    }

    /// Adds the next link of the way up.
    #[must_use]
    pub fn under(mut self, text: impl Into<String>, address: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { text: text.into(), address: address.into() });
        self
    }

    /// Makes the page live.
    #[must_use]
    pub fn live(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Sets what the tab's icon says.
    #[must_use]
    pub fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    pub(crate) fn asset(&self, name: &str) -> &'static str {
        crate::assets::address(name)
    }

    pub(crate) fn current(&self, section: &str) -> bool {
        matches!(
            (self.section, section),
            (Section::Repositories, "repositories")
                | (Section::Alerts, "alerts")
                | (Section::Deliveries, "deliveries")
                | (Section::Services, "services")
                | (Section::Runners, "runners")
                | (Section::Settings, "settings")
        )
    }
}
