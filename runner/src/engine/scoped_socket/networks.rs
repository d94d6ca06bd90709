//! Networks and volumes that a build's steps make.

use std::collections::HashMap;

use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use bytes::Bytes;
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    refusal::{Refusal, json_response},
    route::NetworkVerb,
    scope::Scope,
    target::Target,
    upstream::{Body, Call},
};
use crate::{
    engine::labels,
    steps::{NO_ADDRESS, interface},
};

/// How many networks one build may have: an engine has addresses for about thirty.
const NETWORKS_LIMIT: usize = 8;
/// How many volumes one build may have.
const VOLUMES_LIMIT: usize = 64;

impl Scope {
    /// `GET /networks`.
    pub(super) async fn list_networks(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["filters"])?;
        let mut filters = self.filters(&query, &["dangling", "driver", "id", "label", "name", "scope", "type"]).await?;
        let wanted = filters.remove("name").unwrap_or_default();
        query.set("filters", json!(filters).to_string());
        let path = format!("{}/networks?{}", target.version, query.encode());
        self.listed(Call::new(Method::GET, path), None, &wanted).await
    }

    /// `POST /networks/create`.
    pub(super) async fn create_network(&self, target: Target, body: Bytes) -> Result<Response<Body>, Refusal> {
        target.query.only(&[])?;
        let mut asked = Fields::of_body(&body)?;
        let name = asked.text("Name")?.unwrap_or_default();
        let real = self.names.real(&name)?;
        if let Some(driver) = asked.text("Driver")?
            && !matches!(driver.as_str(), "bridge" | "default")
        {
            return Err(Refusal::forbidden(format!("a network of the driver `{driver}`; bridge is the one for steps")));
        }
        let internal = asked.take("Internal").is_some_and(|flag| flag == true);
        for told in ["CheckDuplicate", "Attachable", "EnableIPv4"] {
            asked.take(told);
        }
        if let Some(scope) = asked.text("Scope")?
            && scope != "local"
        {
            return Err(Refusal::forbidden(format!("a network of the scope `{scope}`")));
        }
        let mut addresses = asked.object("IPAM", "IPAM.")?;
        if addresses.text("Driver")?.is_some_and(|driver| driver != "default") {
            return Err(Refusal::forbidden("another address management than the engine's own"));
        }
        // Addresses that the host or its neighbours have would be led into the container's network.
        addresses.finish()?;
        let labels = asked.map("Labels")?;
        asked.finish()?;

        let _making = self.making().await?;
        let filter = labels::filter(&[(labels::SOCKET, &self.origin.socket_mark())]);
        let options = ListNetworksOptionsBuilder::default().filters(&filter).build();
        let found = self.engine.list_networks(Some(options)).await;
        let found = found.map_err(|error| Refusal::from(self.engine.error("list the build's networks", &error)))?;
        if found.len() >= NETWORKS_LIMIT {
            return Err(Refusal::forbidden(format!("more than {NETWORKS_LIMIT} networks at a time in one build")));
        }
        let mut options = HashMap::from([interface(&real)]);
        if self.is_closed {
            options.insert(NO_ADDRESS.to_owned(), "true".to_owned());
        }
        let body = json!({
            "Name": real,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "Internal": internal || self.is_closed,
            "Options": options,
            "Labels": self.labelled(labels, labels::KIND_NETWORK),
        });
        self.told(Call::new(Method::POST, format!("{}/networks/create", target.version)).json(&body)).await
    }

    /// A request about one network.
    pub(super) async fn network_call(
        &self,
        target: Target,
        name: &str,
        verb: NetworkVerb,
        body: Bytes,
    ) -> Result<Response<Body>, Refusal> {
        let query = target.query.only(&["verbose", "scope"])?;
        let at = |id: &str, verb: &str| format!("{}/networks/{id}{verb}?{}", target.version, query.encode());
        let id_of = async || {
            let found = self.network(name).await?;
            found.id.ok_or_else(|| Refusal::missing("network", name))
        };
        match verb {
            NetworkVerb::Inspect => self.told(Call::new(Method::GET, at(&id_of().await?, ""))).await,
            NetworkVerb::Remove => self.told(Call::new(Method::DELETE, at(&id_of().await?, ""))).await,
            NetworkVerb::Connect | NetworkVerb::Disconnect => {
                let network = self.joinable(name).await?;
                let mut asked = Fields::of_body(&body)?;
                let container = asked.text("Container")?.unwrap_or_default();
                let container = self.container(&container).await?;
                let id = container.id.unwrap_or_default();
                let mut body = Map::from_iter([("Container".to_owned(), Value::String(id))]);
                let (method, settings) = ("EndpointConfig", asked.take("EndpointConfig"));
                if verb == NetworkVerb::Connect {
                    let real = container.name.unwrap_or_default();
                    let endpoint = self.endpoint(settings.unwrap_or_default(), self.names.asked(&real)).await?;
                    body.insert(method.to_owned(), endpoint);
                } else {
                    body.insert("Force".to_owned(), asked.take("Force").is_some_and(|flag| flag == true).into());
                }
                asked.finish()?;
                let verb = if verb == NetworkVerb::Connect { "/connect" } else { "/disconnect" };
                self.told(Call::new(Method::POST, at(&network, verb)).json(&Value::Object(body))).await
            }
        }
    }

    /// `GET /volumes`.
    pub(super) async fn list_volumes(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["filters"])?;
        let mut filters = self.filters(&query, &["dangling", "driver", "label", "name"]).await?;
        let wanted = filters.remove("name").unwrap_or_default();
        query.set("filters", json!(filters).to_string());
        let path = format!("{}/volumes?{}", target.version, query.encode());
        self.listed(Call::new(Method::GET, path), Some("Volumes"), &wanted).await
    }

    /// `POST /volumes/create`.
    pub(super) async fn create_volume(&self, target: Target, body: Bytes) -> Result<Response<Body>, Refusal> {
        target.query.only(&[])?;
        let mut asked = Fields::of_body(&body)?;
        let name = asked.text("Name")?.unwrap_or_else(|| ulid::Ulid::generate().to_string().to_ascii_lowercase());
        if let Some(driver) = asked.text("Driver")?
            && driver != "local"
        {
            return Err(Refusal::forbidden(format!("a volume of the driver `{driver}`")));
        }
        let labels = asked.map("Labels")?;
        // With a driver's options, a volume can be any path of the host.
        asked.finish()?;
        let _making = self.making().await?;
        let filter = labels::filter(&[(labels::SOCKET, &self.origin.socket_mark())]);
        let found = self.engine.list_volumes(Some(ListVolumesOptionsBuilder::default().filters(&filter).build())).await;
        let found = found.map_err(|error| Refusal::from(self.engine.error("list the build's volumes", &error)))?;
        if found.volumes.is_some_and(|volumes| volumes.len() >= VOLUMES_LIMIT) {
            return Err(Refusal::forbidden(format!("more than {VOLUMES_LIMIT} volumes in one build")));
        }
        let real = self.make_volume(&name, labels).await?;
        let mut answer = self.told(Call::new(Method::GET, format!("{}/volumes/{real}", target.version))).await?;
        if answer.status() == StatusCode::OK {
            *answer.status_mut() = StatusCode::CREATED;
        }
        Ok(answer)
    }

    /// `GET` and `DELETE /volumes/{name}`.
    pub(super) async fn volume_call(
        &self,
        target: Target,
        name: &str,
        method: Method,
    ) -> Result<Response<Body>, Refusal> {
        let query = target.query.only(&["force"])?;
        match self.volume(name).await {
            Ok(real) => {
                let path = format!("{}/volumes/{real}?{}", target.version, query.encode());
                self.told(Call::new(method, path)).await
            }
            Err(refusal)
                if refusal.status == StatusCode::NOT_FOUND && method == Method::DELETE && query.is_true("force") =>
            {
                Ok(json_response(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Err(refusal) => Err(refusal),
        }
    }
}
