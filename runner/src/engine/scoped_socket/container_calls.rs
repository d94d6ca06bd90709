//! What is done with containers once they are there.

use bollard::{models::ContainerInspectResponse, query_parameters::RemoveContainerOptionsBuilder};
use hyper::{Method, Request, Response, body::Incoming};
use serde_json::{Map, Value, json};

use super::{
    JSON_LIMIT,
    fields::Fields,
    refusal::Refusal,
    route::ContainerVerb,
    scope::Scope,
    target::{Query, Target},
    upstream::{Body, Call, passed, read},
};

/// What a command in a container may say of itself.
const EXEC_KEPT: [&str; 10] = [
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "DetachKeys",
    "Env",
    "Cmd",
    "WorkingDir",
    "User",
    "ConsoleSize",
];

impl Scope {
    /// A request about one container.
    pub(super) async fn container_call(
        &self,
        target: Target,
        name: &str,
        verb: ContainerVerb,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let mut query = target.query;
        if verb == ContainerVerb::Remove && query.is_true("link") {
            return Err(Refusal::forbidden("removing a link; remove the container"));
        }
        query.take("link");
        let mut query = query.only(verb.options())?;
        let container = self.container(name).await?;
        let id = container.id.clone().ok_or_else(|| Refusal::missing("container", name))?;
        match verb {
            ContainerVerb::Top => harmless_ps(query.get("ps_args"))?,
            // Volumes that nobody has named would stay behind, and nobody could find them.
            ContainerVerb::Remove => query.set("v", "1"),
            ContainerVerb::Rename => {
                let name = query.take("name").pop().unwrap_or_default();
                query.set("name", self.names.real(name.trim_start_matches('/'))?);
            }
            // The engine itself would unpack it, which no freezing of containers holds up.
            ContainerVerb::PutFiles if self.has_workspace(&container) => {
                return Err(Refusal::forbidden(
                    "docker cp into a container that mounts the workspace: copy in the workspace itself",
                ));
            }
            ContainerVerb::StatFile | ContainerVerb::GetFiles | ContainerVerb::PutFiles
                if !self.parts(&container).is_empty() =>
            {
                return Err(Refusal::forbidden(
                    "docker cp with a container that mounts a part of the workspace: mount the whole of it, or copy in \
                     the workspace",
                ));
            }
            _ => {}
        }
        let path = format!("{}/containers/{id}{}?{}", target.version, verb.path(), query.encode());
        let call = Call::new(request.method().clone(), path);
        match verb {
            ContainerVerb::Attach => self.hijack(call, request).await,
            ContainerVerb::Exec => {
                let mut asked = Fields::of_body(&read(request.into_body(), JSON_LIMIT).await?)?;
                let mut body = Map::new();
                asked.keep(&EXEC_KEPT, &mut body);
                asked.finish()?;
                self.told(call.json(&Value::Object(body))).await
            }
            ContainerVerb::PutFiles => {
                self.streamed(call.stream(passed(request.into_body()), "application/x-tar")).await
            }
            // What is in their bodies had a meaning in old versions of the API.
            ContainerVerb::Start => {
                let started = self.mounting(&container, self.told(call)).await;
                if started.is_err() {
                    self.give_up(&container, &id).await;
                }
                started
            }
            ContainerVerb::Restart => self.restart(&target.version, &container, &id, &query).await,
            ContainerVerb::Unpause => {
                let _start = self.stillness.start().await;
                self.told(call).await
            }
            ContainerVerb::Inspect | ContainerVerb::Top | ContainerVerb::Rename => self.told(call).await,
            _ => self.streamed(call).await,
        }
    }

    /// Removes a container that was to be removed at its end and did not start: a client waits for that.
    async fn give_up(&self, container: &ContainerInspectResponse, id: &str) {
        if container.host_config.as_ref().and_then(|host| host.auto_remove) == Some(true) {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            if let Err(error) = self.engine.remove_container(id, Some(options)).await {
                tracing::debug!(container = id, %error, "a container that did not start goes with its build");
            }
        }
    }

    /// A restart in its two parts: what mounts a part of the workspace is stopped first, and started while all is still.
    async fn restart(
        &self,
        version: &str,
        container: &ContainerInspectResponse,
        id: &str,
        query: &Query,
    ) -> Result<Response<Body>, Refusal> {
        let call =
            |verb: &str, query: &str| Call::new(Method::POST, format!("{version}/containers/{id}/{verb}?{query}"));
        if self.parts(container).is_empty() {
            let _start = self.stillness.start().await;
            return self.told(call("restart", &query.encode())).await;
        }
        let stopped = self.told(call("stop", &query.encode())).await?;
        if stopped.status().is_client_error() || stopped.status().is_server_error() {
            return Ok(stopped);
        }
        self.mounting(container, self.told(call("start", ""))).await
    }

    /// `POST /exec/{id}/start`.
    pub(super) async fn start_exec(
        &self,
        target: Target,
        id: &str,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        target.query.only(&[])?;
        self.exec(id).await?;
        let mut asked = Fields::of_body(&read(request.body_mut(), JSON_LIMIT).await?)?;
        let mut body = Map::new();
        asked.keep(&["Detach", "Tty", "ConsoleSize"], &mut body);
        asked.finish()?;
        let call = Call::new(Method::POST, format!("{}/exec/{id}/start", target.version)).json(&Value::Object(body));
        let _start = self.stillness.start().await;
        self.hijack(call, request).await
    }

    /// `POST /exec/{id}/resize` and `GET /exec/{id}/json`.
    pub(super) async fn exec_call(
        &self,
        target: Target,
        id: &str,
        method: Method,
        verb: &str,
    ) -> Result<Response<Body>, Refusal> {
        let query = target.query.only(&["h", "w"])?;
        self.exec(id).await?;
        let path = format!("{}/exec/{id}/{verb}?{}", target.version, query.encode());
        self.told(Call::new(method, path)).await
    }

    /// `GET /containers/json`.
    pub(super) async fn list_containers(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["all", "limit", "size", "filters", "before", "since"])?;
        for name in ["before", "since"] {
            query.take(name);
        }
        let mut filters = self.filters(&query, CONTAINER_FILTERS).await?;
        let wanted = filters.remove("name").unwrap_or_default();
        query.set("filters", json!(filters).to_string());
        let path = format!("{}/containers/json?{}", target.version, query.encode());
        self.listed(Call::new(Method::GET, path), None, &wanted).await
    }
}

/// The filters of `docker ps` that are understood.
const CONTAINER_FILTERS: &[&str] = &[
    "ancestor",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "status",
    "volume",
];

/// The engine runs `ps` with these words on the host, and finds the container's processes by the column `PID`: another
/// column must not be given that name.
fn harmless_ps(arguments: Option<&str>) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | '-');
    match arguments {
        Some(text) if text.len() > 200 || !text.chars().all(plain) => {
            Err(Refusal::forbidden(format!("docker top with the arguments `{text}`")))
        }
        _ => Ok(()),
    }
}
