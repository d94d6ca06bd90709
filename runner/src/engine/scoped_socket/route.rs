//! What a request asks for: everything that a step may ask, and nothing else.

use hyper::Method;

use super::refusal::Refusal;

/// A request that a step may make. What is named in it is still to be found among what is the build's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Ping,
    Version,
    Info,
    Events,
    Build,
    Containers,
    CreateContainer,
    Container { name: String, verb: ContainerVerb },
    StartExec(String),
    ResizeExec(String),
    InspectExec(String),
    Networks,
    CreateNetwork,
    Network { name: String, verb: NetworkVerb },
    Volumes,
    CreateVolume,
    InspectVolume(String),
    RemoveVolume(String),
    Images,
    PullImage,
    Image { name: String, verb: ImageVerb },
}

/// What is done with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerVerb {
    Inspect,
    Logs,
    Top,
    Stats,
    Changes,
    Start,
    Stop,
    Restart,
    Kill,
    Pause,
    Unpause,
    Wait,
    Resize,
    Rename,
    Attach,
    Exec,
    Remove,
    StatFile,
    GetFiles,
    PutFiles,
}

/// What is done with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkVerb {
    Inspect,
    Connect,
    Disconnect,
    Remove,
}

/// What is done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageVerb {
    Inspect,
    History,
    Tag,
    Remove,
}

impl Route {
    /// The route of a method and a path's pieces.
    pub(super) fn of(method: &Method, pieces: &[String]) -> Result<Self, Refusal> {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let method = method.as_str();
        Ok(match (method, pieces.as_slice()) {
            ("GET" | "HEAD", ["_ping"]) => Route::Ping,
            ("GET", ["version"]) => Route::Version,
            ("GET", ["info"]) => Route::Info,
            ("GET", ["events"]) => Route::Events,
            ("POST", ["build"]) => Route::Build,
            ("GET", ["containers", "json"]) => Route::Containers,
            ("POST", ["containers", "create"]) => Route::CreateContainer,
            (_, ["containers", name, rest @ ..]) => {
                let verb = ContainerVerb::of(method, rest).ok_or_else(|| refused(method, &pieces))?;
                Route::Container { name: (*name).to_owned(), verb }
            }
            ("POST", ["exec", id, "start"]) => Route::StartExec((*id).to_owned()),
            ("POST", ["exec", id, "resize"]) => Route::ResizeExec((*id).to_owned()),
            ("GET", ["exec", id, "json"]) => Route::InspectExec((*id).to_owned()),
            ("GET", ["networks"]) => Route::Networks,
            ("POST", ["networks", "create"]) => Route::CreateNetwork,
            (_, ["networks", name, rest @ ..]) => {
                let verb = match (method, rest) {
                    ("GET", []) => NetworkVerb::Inspect,
                    ("DELETE", []) => NetworkVerb::Remove,
                    ("POST", ["connect"]) => NetworkVerb::Connect,
                    ("POST", ["disconnect"]) => NetworkVerb::Disconnect,
                    _ => return Err(refused(method, &pieces)),
                };
                Route::Network { name: (*name).to_owned(), verb }
            }
            ("GET", ["volumes"]) => Route::Volumes,
            ("POST", ["volumes", "create"]) => Route::CreateVolume,
            ("GET", ["volumes", name]) => Route::InspectVolume((*name).to_owned()),
            ("DELETE", ["volumes", name]) => Route::RemoveVolume((*name).to_owned()),
            ("GET", ["images", "json"]) => Route::Images,
            ("POST", ["images", "create"]) => Route::PullImage,
            ("GET", ["images", name @ .., "json"]) if !name.is_empty() => Route::image(name, ImageVerb::Inspect),
            ("GET", ["images", name @ .., "history"]) if !name.is_empty() => Route::image(name, ImageVerb::History),
            ("POST", ["images", name @ .., "tag"]) if !name.is_empty() => Route::image(name, ImageVerb::Tag),
            ("DELETE", ["images", name @ ..]) if !name.is_empty() => Route::image(name, ImageVerb::Remove),
            _ => return Err(refused(method, &pieces)),
        })
    }

    fn image(name: &[&str], verb: ImageVerb) -> Self {
        Route::Image { name: name.join("/"), verb }
    }
}

impl ContainerVerb {
    fn of(method: &str, rest: &[&str]) -> Option<Self> {
        Some(match (method, rest) {
            ("GET", ["json"]) => ContainerVerb::Inspect,
            ("GET", ["logs"]) => ContainerVerb::Logs,
            ("GET", ["top"]) => ContainerVerb::Top,
            ("GET", ["stats"]) => ContainerVerb::Stats,
            ("GET", ["changes"]) => ContainerVerb::Changes,
            ("POST", ["start"]) => ContainerVerb::Start,
            ("POST", ["stop"]) => ContainerVerb::Stop,
            ("POST", ["restart"]) => ContainerVerb::Restart,
            ("POST", ["kill"]) => ContainerVerb::Kill,
            ("POST", ["pause"]) => ContainerVerb::Pause,
            ("POST", ["unpause"]) => ContainerVerb::Unpause,
            ("POST", ["wait"]) => ContainerVerb::Wait,
            ("POST", ["resize"]) => ContainerVerb::Resize,
            ("POST", ["rename"]) => ContainerVerb::Rename,
            ("POST", ["attach"]) => ContainerVerb::Attach,
            ("POST", ["exec"]) => ContainerVerb::Exec,
            ("DELETE", []) => ContainerVerb::Remove,
            ("HEAD", ["archive"]) => ContainerVerb::StatFile,
            ("GET", ["archive"]) => ContainerVerb::GetFiles,
            ("PUT", ["archive"]) => ContainerVerb::PutFiles,
            _ => return None,
        })
    }

    /// The last piece of its path.
    pub(super) fn path(self) -> &'static str {
        match self {
            ContainerVerb::Inspect => "/json",
            ContainerVerb::Logs => "/logs",
            ContainerVerb::Top => "/top",
            ContainerVerb::Stats => "/stats",
            ContainerVerb::Changes => "/changes",
            ContainerVerb::Start => "/start",
            ContainerVerb::Stop => "/stop",
            ContainerVerb::Restart => "/restart",
            ContainerVerb::Kill => "/kill",
            ContainerVerb::Pause => "/pause",
            ContainerVerb::Unpause => "/unpause",
            ContainerVerb::Wait => "/wait",
            ContainerVerb::Resize => "/resize",
            ContainerVerb::Rename => "/rename",
            ContainerVerb::Attach => "/attach",
            ContainerVerb::Exec => "/exec",
            ContainerVerb::Remove => "",
            ContainerVerb::StatFile | ContainerVerb::GetFiles | ContainerVerb::PutFiles => "/archive",
        }
    }

    /// The options that it may have.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            ContainerVerb::Inspect => &["size"],
            ContainerVerb::Logs => &["details", "follow", "stdout", "stderr", "since", "until", "timestamps", "tail"],
            ContainerVerb::Top => &["ps_args"],
            ContainerVerb::Stats => &["stream", "one-shot"],
            ContainerVerb::Start => &["detachKeys"],
            ContainerVerb::Stop | ContainerVerb::Restart => &["t", "signal"],
            ContainerVerb::Kill => &["signal"],
            ContainerVerb::Wait => &["condition"],
            ContainerVerb::Resize => &["h", "w"],
            ContainerVerb::Rename => &["name"],
            ContainerVerb::Attach => &["detachKeys", "logs", "stream", "stdin", "stdout", "stderr"],
            ContainerVerb::Remove => &["v", "force"],
            ContainerVerb::StatFile | ContainerVerb::GetFiles => &["path"],
            ContainerVerb::PutFiles => &["path", "noOverwriteDirNonDir", "copyUIDGID"],
            ContainerVerb::Changes | ContainerVerb::Pause | ContainerVerb::Unpause | ContainerVerb::Exec => &[],
        }
    }
}

/// Why a request is none that a step may make, with what to do instead where there is something.
fn refused(method: &str, pieces: &[&str]) -> Refusal {
    match pieces {
        // `docker inspect` looks through all kinds of things.
        ["plugins", name, "json"] => Refusal::missing("plugin", name),
        ["auth"] => Refusal::forbidden(
            "docker login. The runner pulls with the logins that the repository was given; a step needs none",
        ),
        ["images", .., "push"] => Refusal::forbidden(
            "docker push. Images are pushed by Slipway when every test has passed: name them under `image` in captain.yml",
        ),
        ["session" | "grpc"] => {
            Refusal::forbidden("BuildKit over this socket. Set DOCKER_BUILDKIT=0, and docker build works without it")
        }
        [.., "prune"] => Refusal::forbidden("prune. What a build made is removed with the build"),
        ["images", "load"] => Refusal::forbidden("docker load. Build the image, or pull it"),
        ["commit"] => Refusal::forbidden("docker commit. Build the image from a Dockerfile"),
        _ => Refusal::forbidden(format!("{method} /{} is not for steps", pieces.join("/"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Result<Route, Refusal> {
        let pieces: Vec<String> = path.split('/').map(str::to_owned).collect();
        Route::of(&Method::from_bytes(method.as_bytes()).unwrap_or_default(), &pieces)
    }

    #[test]
    fn what_steps_need_is_there() {
        for (method, path) in [
            ("GET", "_ping"),
            ("HEAD", "_ping"),
            ("POST", "containers/create"),
            ("POST", "containers/web/start"),
            ("DELETE", "containers/web"),
            ("HEAD", "containers/web/archive"),
            ("POST", "exec/0a/start"),
            ("POST", "networks/n/connect"),
            ("DELETE", "volumes/v"),
            ("GET", "images/reg:5000/a/b/json"),
            ("DELETE", "images/a/b:1"),
            ("POST", "build"),
        ] {
            assert!(route(method, path).is_ok(), "{method} {path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (method, path) in [
            ("POST", "containers/web/update"),
            ("POST", "containers/prune"),
            ("GET", "containers/web/export"),
            ("GET", "containers/web/attach/ws"),
            ("POST", "containers/web/copy"),
            ("GET", "containers/web/checkpoints"),
            ("GET", "containers/create"),
            ("PUT", "containers/create"),
            ("POST", "containers/json"),
            ("POST", "commit"),
            ("POST", "auth"),
            ("POST", "session"),
            ("POST", "grpc"),
            ("POST", "images/load"),
            ("GET", "images/get"),
            ("GET", "images/a/get"),
            ("GET", "images/search"),
            ("POST", "images/a/push"),
            ("POST", "images/prune"),
            ("POST", "build/prune"),
            ("POST", "build/cancel"),
            ("GET", "images//json"),
            ("GET", "swarm"),
            ("POST", "swarm/init"),
            ("GET", "services"),
            ("GET", "nodes"),
            ("GET", "secrets"),
            ("GET", "configs"),
            ("GET", "tasks"),
            ("GET", "plugins"),
            ("POST", "plugins/pull"),
            ("GET", "system/df"),
            ("GET", "distribution/a/json"),
            ("PUT", "volumes/v"),
            ("POST", "volumes/prune"),
            ("POST", "networks/prune"),
            ("CONNECT", "containers/json"),
            ("OPTIONS", "_ping"),
            ("GET", "Containers/json"),
            ("GET", "debug/pprof"),
            ("GET", "metrics"),
        ] {
            // `images//json` has no name: the target refuses empty pieces before a route is looked for.
            let refused = route(method, path).is_err_and(|refusal| refusal.status == 403) || path == "images//json";
            assert!(refused, "{method} {path}");
        }
    }
}
