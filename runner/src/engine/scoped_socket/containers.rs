//! Making containers.

use bollard::query_parameters::ListContainersOptionsBuilder;
use bytes::Bytes;
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    host_config,
    refusal::{Refusal, json_response},
    scope::Scope,
    target::Target,
    upstream::{Body, Call},
};
use crate::engine::labels;

/// How many containers one build may have through its socket at a time.
const CONTAINERS_LIMIT: usize = 64;
/// How many volumes without a name one container may have.
const VOLUMES_LIMIT: usize = 32;
/// What concerns the container alone.
const KEPT: [&str; 24] = [
    "Hostname",
    "Domainname",
    "User",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
    "StopSignal",
    "StopTimeout",
    "Shell",
    "NetworkDisabled",
    "ArgsEscaped",
    "OnBuild",
    "AttachStdErr",
    "AttachStdOut",
];

/// What a container is to be, in the engine's terms.
struct Described {
    body: Value,
    /// What the step is told about what it does not get.
    warnings: Vec<String>,
}

impl Scope {
    /// `POST /containers/create`.
    pub(super) async fn create_container(&self, target: Target, body: Bytes) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["name", "platform"])?;
        let asked = query.take("name").pop().filter(|name| !name.is_empty());
        let asked = asked.map_or_else(some_name, |name| name.trim_start_matches('/').to_owned());
        let real = self.names.real(&asked)?;
        query.set("name", real);
        let _making = self.making().await?;
        self.count_containers().await?;
        let described = self.describe(Fields::of_body(&body)?, &asked).await.map_err(about_the_image_only)?;
        let path = format!("{}/containers/create?{}", target.version, query.encode());
        let answer = self.upstream.ask(Call::new(Method::POST, path).json(&described.body)).await?;
        let status = answer.status();
        let text = super::upstream::read_answer(answer.into_body()).await?;
        let text = self.disguise(&text);
        let Ok(mut told) = serde_json::from_str::<Map<String, Value>>(&text) else {
            return Ok(json_response(status, text.into()));
        };
        if status == StatusCode::CREATED {
            let mut warnings: Vec<Value> = described.warnings.into_iter().map(Value::String).collect();
            if let Some(Value::Array(others)) = told.get("Warnings") {
                warnings.extend(others.iter().cloned());
            }
            told.insert("Warnings".to_owned(), warnings.into());
        }
        Ok(json_response(status, Value::Object(told).to_string().into()))
    }

    async fn count_containers(&self) -> Result<(), Refusal> {
        let filter = labels::filter(&[(labels::SOCKET, &self.origin.socket_mark())]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        let found = self.engine.list_containers(Some(options)).await;
        let found = found.map_err(|error| Refusal::from(self.engine.error("list the build's containers", &error)))?;
        if found.len() >= CONTAINERS_LIMIT {
            return Err(Refusal::forbidden(format!(
                "more than {CONTAINERS_LIMIT} containers at a time in one build; remove some first"
            )));
        }
        Ok(())
    }

    /// The container's description, written anew from what was asked for.
    async fn describe(&self, mut asked: Fields, name: &str) -> Result<Described, Refusal> {
        let mut body = Map::new();
        asked.keep(&KEPT, &mut body);
        if let Some(hostname) = body.get("Hostname").and_then(Value::as_str) {
            refuse_our_names(hostname)?;
        }
        if body.get("Volumes").and_then(Value::as_object).is_some_and(|volumes| volumes.len() > VOLUMES_LIMIT) {
            return Err(Refusal::bad(format!("more than {VOLUMES_LIMIT} volumes of one container")));
        }
        asked.take("MacAddress");
        let image = asked.text("Image")?.ok_or_else(|| Refusal::bad("a container needs an image"))?;
        let real_image = self.image(&image).await?;
        if let Ok(public) = super::images::normal(&image)
            && public == real_image
        {
            self.images.used(&public);
        }
        body.insert("Image".to_owned(), real_image.into());
        let labels = asked.map("Labels")?;
        body.insert("Labels".to_owned(), self.labelled(labels, labels::KIND_STEP));

        let mut host = asked.object("HostConfig", "HostConfig.")?;
        let mut warnings = Vec::new();
        if publishes(&mut host)? {
            warnings.push(format!(
                "Slipway publishes no ports of a step's containers; reach this one from others of the build as {name}"
            ));
        }
        let mut contained = host_config::contained(&mut host, &self.containment)?;
        let mounts = self.mounts(&mut host).await?;
        if !mounts.is_empty() {
            contained.insert("Mounts".to_owned(), mounts.into());
        }
        let network = self.namespace(&mut host, "NetworkMode").await?;
        let endpoints = asked.object("NetworkingConfig", "NetworkingConfig.")?;
        let endpoints = self.endpoints(endpoints, &network, name).await?;
        contained.insert("NetworkMode".to_owned(), network.into());
        if let Some(mode) = host.text("PidMode")? {
            contained.insert("PidMode".to_owned(), self.container_mode(&mode).await?.into());
        }
        self.others(&mut host, &mut contained).await?;
        host.finish()?;
        asked.finish()?;
        body.insert("HostConfig".to_owned(), Value::Object(contained));
        body.insert("NetworkingConfig".to_owned(), json!({ "EndpointsConfig": endpoints }));
        Ok(Described { body: Value::Object(body), warnings })
    }

    /// The containers that are named by `VolumesFrom` and `Links`.
    async fn others(&self, host: &mut Fields, contained: &mut Map<String, Value>) -> Result<(), Refusal> {
        let mut from = Vec::new();
        for text in host.texts("VolumesFrom")? {
            let (name, mode) = text.split_once(':').unwrap_or((&text, "rw"));
            if !matches!(mode, "rw" | "ro") {
                return Err(Refusal::forbidden(format!("the mode `{mode}` of --volumes-from")));
            }
            from.push(format!("{}:{mode}", self.container_id(name).await?));
        }
        if !from.is_empty() {
            contained.insert("VolumesFrom".to_owned(), from.into());
        }
        let links = self.links(host.texts("Links")?).await?;
        if !links.is_empty() {
            contained.insert("Links".to_owned(), links.into());
        }
        Ok(())
    }

    /// `--link` options with the engine's names.
    async fn links(&self, asked: Vec<String>) -> Result<Vec<String>, Refusal> {
        let mut links = Vec::new();
        for text in asked {
            let (name, alias) = text.split_once(':').unwrap_or((&text, &text));
            let (name, alias) = (name.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(alias));
            self.names.real(alias)?;
            links.push(format!("{}:{alias}", self.container_id(name).await?));
        }
        Ok(links)
    }

    /// The network that a container begins on.
    async fn namespace(&self, host: &mut Fields, name: &str) -> Result<String, Refusal> {
        let mode = host.text(name)?.unwrap_or_default();
        match mode.as_str() {
            "none" => Ok(mode),
            _ if mode.starts_with("container:") => self.container_mode(&mode).await,
            _ => self.joinable(&mode).await,
        }
    }

    /// `container:NAME` with the engine's id of a container of the build's.
    async fn container_mode(&self, mode: &str) -> Result<String, Refusal> {
        let Some(name) = mode.strip_prefix("container:") else {
            return Err(Refusal::forbidden(format!("the namespace `{mode}` is the host's")));
        };
        Ok(format!("container:{}", self.container_id(name).await?))
    }

    /// The networks that a container is on from the beginning, with the name that the step gave it as an address.
    async fn endpoints(&self, mut asked: Fields, network: &str, name: &str) -> Result<Map<String, Value>, Refusal> {
        let mut endpoints = Map::new();
        let given = asked.map("EndpointsConfig")?;
        asked.finish()?;
        for (asked_network, settings) in given {
            let real = match asked_network.as_str() {
                "none" => continue,
                _ => self.joinable(&asked_network).await?,
            };
            endpoints.insert(real, self.endpoint(settings, name).await?);
        }
        let named = !(network == "none" || network.starts_with("container:"));
        if named && !endpoints.contains_key(network) {
            endpoints.insert(network.to_owned(), self.endpoint(Value::Null, name).await?);
        }
        Ok(endpoints)
    }

    /// A container's settings on one network.
    pub(super) async fn endpoint(&self, asked: Value, name: &str) -> Result<Value, Refusal> {
        let mut asked = Fields::of(asked, "EndpointsConfig.")?;
        let mut aliases = asked.texts("Aliases")?;
        aliases.push(name.to_owned());
        for alias in &aliases {
            refuse_our_names(alias)?;
            self.names.real(alias)?;
        }
        let links = self.links(asked.texts("Links")?).await?;
        let mut addresses = asked.object("IPAMConfig", "IPAMConfig.")?;
        let mut kept = Map::new();
        addresses.keep(&["IPv4Address"], &mut kept);
        addresses.finish()?;
        // What the engine fills in, and a client repeats from what it has read.
        for told in [
            "NetworkID",
            "EndpointID",
            "Gateway",
            "IPAddress",
            "IPPrefixLen",
            "IPv6Gateway",
            "GlobalIPv6Address",
            "GlobalIPv6PrefixLen",
            "MacAddress",
            "DNSNames",
            "GwPriority",
        ] {
            asked.take(told);
        }
        asked.finish()?;
        let mut endpoint = json!({ "Aliases": aliases });
        if let Value::Object(endpoint) = &mut endpoint {
            if !links.is_empty() {
                endpoint.insert("Links".to_owned(), links.into());
            }
            if !kept.is_empty() {
                endpoint.insert("IPAMConfig".to_owned(), Value::Object(kept));
            }
        }
        Ok(endpoint)
    }
}

/// A client that hears that something does not exist takes it for the image, and pulls that.
fn about_the_image_only(refusal: Refusal) -> Refusal {
    if refusal.status == StatusCode::NOT_FOUND && !refusal.message.starts_with("No such image") {
        return Refusal::bad(refusal.message);
    }
    refusal
}

/// Whether ports of the host are asked for.
fn publishes(host: &mut Fields) -> Result<bool, Refusal> {
    let ports = host.map("PortBindings")?;
    Ok(!ports.is_empty() || host.take("PublishAllPorts").is_some_and(|flag| flag == true))
}

/// A name for a container that a step did not name.
fn some_name() -> String {
    let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
    format!("unnamed-{}", id.get(id.len().saturating_sub(10)..).unwrap_or(&id))
}

/// Refuses names by which a build's own containers find each other: who had one would be taken for another's service.
fn refuse_our_names(name: &str) -> Result<(), Refusal> {
    if name.to_ascii_lowercase().starts_with("slipway-") {
        return Err(Refusal::forbidden(format!("the name `{name}`, as Slipway's own containers have it")));
    }
    Ok(())
}
