//! Services that other hands changed: seeing it, and changing them back.

use bollard::models::{Service, ServiceSpec};

use super::{CONVERGE_TRIES, SwarmTarget, likeness, looks::Seen, service, tasks_of};
use crate::{
    engine::labels as kinds,
    registry::engine_login,
    targets::docker::{ENVIRONMENT, Replica, TargetError, check_secrets},
};

/// What is not as it should be with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deviation {
    /// It was removed.
    Removed,
    /// It was changed, in this way.
    Altered(String),
}

impl SwarmTarget {
    /// How an app's service differs from what the release asks for; none where it does not, or is somebody else's.
    pub(crate) async fn deviation(&self, replica: Replica<'_>) -> Result<Option<Deviation>, TargetError> {
        let name = self.service_name(replica);
        let view = self.seen().await?;
        let Some(service) = view.service(&name) else {
            let is_gone = self.service(&name).await?.is_none();
            return Ok(is_gone.then_some(Deviation::Removed));
        };
        if check_secrets(&self.secrets, &name, replica.app).is_err() {
            // What it runs with is not known any more.
            return Ok(None);
        }
        Ok(self.alteration(replica, service).map(Deviation::Altered))
    }

    /// Makes an app's service what the release asks for, with all of its tasks: as a new one, or by changing the one that is
    /// there, whose tasks Swarm replaces where that takes it. What ended of those in between is not the release's doing.
    ///
    /// # Errors
    /// When the engine fails, or the name belongs to somebody else's service.
    pub(crate) async fn put_right(&self, replica: Replica<'_>) -> Result<(), TargetError> {
        let name = self.service_name(replica);
        check_secrets(&self.secrets, &name, replica.app)?;
        for _ in 0..CONVERGE_TRIES {
            let Some(Seen { service, .. }) = self.service(&name).await? else {
                self.create(&name, Replica { number: replica.app.run.replicas, ..replica }).await?;
                continue;
            };
            if !self.is_of_this(&service) {
                return Err(TargetError::Foreign { name });
            }
            if self.alteration(replica, &service).is_none() {
                return Ok(());
            }
            if self.update(&name, &service, self.wanted(replica), "change back").await? {
                self.excuse(&name).await;
                return Ok(());
            }
        }
        Err(TargetError::Unstable { name, state: "changed by others again and again".to_owned() })
    }

    /// Gives the nodes the newest login for the image of an app's service: they need it when a task moves. Nothing that runs
    /// is touched.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) async fn renew_login(&self, replica: Replica<'_>) -> Result<(), TargetError> {
        let name = self.service_name(replica);
        if engine_login(&replica.app.image, &self.registries).is_none() {
            return Ok(());
        }
        for _ in 0..CONVERGE_TRIES {
            let Some(Seen { service, .. }) = self.service(&name).await? else { return Ok(()) };
            let Some(spec) = service.spec.clone().filter(|_| self.is_of_this(&service)) else { return Ok(()) };
            if self.update(&name, &service, spec, "renew the registry's login of").await? {
                return Ok(());
            }
        }
        Err(TargetError::Unstable { name, state: "changed by others again and again".to_owned() })
    }

    /// What was changed of a service; none where nothing was.
    fn alteration(&self, replica: Replica<'_>, service: &Service) -> Option<String> {
        let (wanted, found) = (i64::from(replica.app.run.replicas), tasks_of(service));
        if found != wanted {
            return Some(format!("how many tasks its service has: {found} instead of {wanted}"));
        }
        let found = service.spec.as_ref()?;
        let path = likeness::difference(self.wanted(replica), found)?;
        Some(format!("{path} of its service"))
    }

    fn wanted(&self, replica: Replica<'_>) -> ServiceSpec {
        service::spec(&self.placement, replica, &self.secrets, i64::from(replica.app.run.replicas))
    }

    fn is_of_this(&self, service: &Service) -> bool {
        let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
        let says = |key: &str, value: &str| labels.and_then(|labels| labels.get(key)).is_some_and(|it| it == value);
        says(kinds::KIND, kinds::KIND_RELEASE) && says(ENVIRONMENT, &self.placement.environment)
    }
}
