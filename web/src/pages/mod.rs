//! One view model a page. Each is an askama template: `page.render()` gives the whole document.

mod account;
mod alerts;
mod approval;
mod build;
mod compare;
mod connect;
mod container;
mod deliveries;
mod environments;
mod home;
mod jump;
mod log;
mod message;
mod plan;
mod queue;
mod release;
mod repository;
mod repository_settings;
mod runners;
mod services;
mod settings;

pub use account::{AccountPage, ConnectionPage, IdentityRow, OwnTokenPage, SessionRow, WelcomePage};
pub use alerts::{AlertRow, AlertsPage, ChannelForm, ChannelRow};
pub use approval::{ApprovalPart, ApprovalsForm, LookPart, RunRow, RunStanding};
pub use build::{ArtifactRow, Attempt, BuildPage, Change, ChangedFiles, Place, ProposedRow, Standing};
pub use compare::{ComparePage, ComparedRelease, RollbackPage};
pub use connect::{ConnectPage, SetupPage, SetupStep};
pub use container::{ContainerPage, RecentLines};
pub use deliveries::{DeliveriesPage, DeliveryPage, DeliveryRow};
pub use environments::{
    AppRow, DecisionRow, DriftRow, EnvironmentCard, EnvironmentPage, EnvironmentsPage, Freeze, Pause, Promotion,
    Protection, ReleaseRow, ReplicaRow, Source, Steering,
};
pub use home::{Activity, Home, Repositories, RepositoryCard};
pub use jump::{Goal, JumpPage};
pub use log::{LogPage, LogSearch, LogViewer};
pub use message::{LoginPage, MessagePage};
pub use plan::{PlanPage, Planned, PlannedApp, PlannedEnvironment, PlannedRow};
pub use queue::{QueuePage, QueueRow, QueueRunner};
pub use release::ReleasePage;
pub use repository::{BadgeMarkup, BuildFilter, RepositoryHead, RepositoryPage, ScheduleRow, Tab};
pub use repository_settings::{
    Hook, HookSecretPage, LimitsForm, RepositorySettingsPage, SecretForm, SecretRow, ToldForm,
};
pub use runners::{NewRunnerPage, RunnerForm, RunnerRow, RunnersPage};
pub use services::{ServiceRow, ServicesPage};
pub use settings::{
    AuditPage, AuditRow, ForgeForm, ForgeRow, ForgesPage, GrantRow, InstanceSecretForm, InstanceSecretRow,
    NewTokenPage, ROLES, RegistriesPage, RegistryForm, RegistryRow, SchedulesPage, SchedulesRow, SealingView,
    SecretsOf, SecretsPage, SettingsHead, SettingsPlace, TokenForm, TokenRow, TokensPage, UserForm, UserLinkPage,
    UserRow, UsersPage,
};
