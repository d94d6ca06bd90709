//! Listening to what the engine tells of the environments' containers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::{
    models::{EventMessage, EventMessageTypeEnum},
    query_parameters::EventsOptionsBuilder,
};
use futures_util::StreamExt as _;

use super::{Heard, Reconciler};
use crate::{engine::Engine, targets::docker::ENVIRONMENT};

/// What may need a look.
const ACTIONS: [&str; 10] =
    ["die", "destroy", "pause", "unpause", "rename", "health_status", "start", "connect", "disconnect", "update"];
/// How soon an engine that ended is listened to again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Listens for ever. Whatever happened while nobody listened is found by looking at everything.
pub(super) async fn listen(reconciler: Arc<Reconciler>) {
    loop {
        if let Ok(engine) = Engine::connect(reconciler.means.docker_host.as_deref()).await {
            let filters = HashMap::from([("type", vec!["container", "network"]), ("event", ACTIONS.to_vec())]);
            let options = EventsOptionsBuilder::default().filters(&filters).build();
            let mut events = Box::pin(engine.events(Some(options)));
            reconciler.tell_all();
            while let Some(Ok(event)) = events.next().await {
                reconciler.hear(event);
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

impl Reconciler {
    fn hear(&self, event: EventMessage) {
        let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
        let name = || attributes.get("name").cloned().unwrap_or_default();
        match (event.typ, attributes.get(ENVIRONMENT)) {
            (Some(EventMessageTypeEnum::NETWORK), _) => {
                let container = attributes.get("container").cloned().unwrap_or_default();
                self.tell_of_network(&name(), &container);
            }
            (_, Some(environment)) if event.action.as_deref() == Some("die") => {
                self.tell(environment, Heard::Ended(name()));
            }
            (_, Some(environment)) if event.action.as_deref() == Some("update") => {
                self.tell(environment, Heard::Updated(name()));
            }
            (_, Some(environment)) => self.tell(environment, Heard::Changed),
            // A build's.
            (_, None) => {}
        }
    }
}
