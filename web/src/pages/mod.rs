//! One view model a page. Each is an askama template: `page.render()` gives the whole document.

mod alerts;
mod build;
mod connect;
mod deliveries;
mod environments;
mod home;
mod log;
mod message;
mod release;
mod repository;
mod runners;
mod services;

pub use alerts::{AlertRow, AlertsPage, ChannelForm, ChannelRow};
pub use build::{ArtifactRow, Attempt, BuildPage, Place, ProposedRow};
pub use connect::{ConnectPage, ConnectedPage};
pub use deliveries::{DeliveriesPage, DeliveryPage, DeliveryRow};
pub use environments::{
    AppChange, AppRow, DecisionRow, DriftRow, EnvironmentCard, EnvironmentPage, EnvironmentsPage, Freeze, Pause,
    Promotion, Protection, ReleaseRow, ReplicaRow, SettingRow, Source, Steering,
};
pub use home::{Activity, Home, Repositories, RepositoryCard};
pub use log::{LogPage, LogSearch};
pub use message::{LoginPage, MessagePage};
pub use release::ReleasePage;
pub use repository::{RepositoryHead, RepositoryPage, ScheduleRow, Tab};
pub use runners::{RunnerRow, RunnersPage};
pub use services::{ServiceRow, ServicesPage};
