//! What builds reach that reach the internet, on an engine in a network namespace of its own: that is the machine here.

use slipway_runner::{StepLimits, StepNetwork};
use slipway_tests::{
    build_house::{Build, BuildHouse},
    own_engine::OwnEngine,
};

/// An address by which clouds tell a machine of itself, here of one that listens on the machine.
const METADATA: &str = "169.254.169.254";
/// Another, to which the machine leads on.
const BEHIND: &str = "169.254.170.2";
const PORT: u16 = 8_080;

/// A machine on which somebody listens, and somebody else in a network beside those of builds: the world outside.
struct Machine {
    engine: OwnEngine,
    house: BuildHouse,
    outside: String,
}

impl Machine {
    async fn new() -> Self {
        let mut engine = OwnEngine::start().await;
        let serves = |name: &str, more: &[&str]| {
            let says = format!("mkdir /w; echo of {name} > /w/index.html; exec httpd -f -p {PORT} -h /w");
            let run = ["run", "-d", "--rm", "--cap-add=NET_ADMIN", "--name", name];
            let _ = engine.docker(&[&run, more, &["busybox:latest", "sh", "-c", &says]].concat());
        };
        serves("machine", &["--network=host"]);
        let _ = engine.docker(&["network", "create", "elsewhere"]);
        serves("outside", &["--network=elsewhere"]);
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let outside = engine.docker(&["inspect", "--format", address, "outside"]).concat();
        for (container, words) in [
            ("machine", &["addr", "add", METADATA, "dev", "lo"][..]),
            ("machine", &["route", "add", BEHIND, "via", &outside]),
            ("outside", &["addr", "add", BEHIND, "dev", "eth0"]),
        ] {
            let _ = engine.docker(&[&["exec", container, "ip"], words].concat());
        }
        let mut house = BuildHouse::new().await;
        engine.reach(house.registry.port());
        house.config.docker_host = Some(engine.host());
        Machine { engine, house, outside }
    }

    /// A build on a runner whose steps reach so much.
    async fn build(&mut self, network: StepNetwork) -> Build {
        self.house.stop_runner().await;
        self.house.config.limits.steps = StepLimits { network, ..StepLimits::default() };
        let there = format!("$gateway {METADATA} {BEHIND} {}", self.outside);
        let captain = format!(
            "defaults: {{step_image: \"busybox:latest\"}}\n\
             web:\n  build: Dockerfile\n  image: IMAGE\n  services:\n    db: {{image: \"busybox:latest\", \
             command: [sh, -c, \"mkdir /w; echo of the service > /w/index.html; httpd -f -h /w\"], health: {{command: \"test -e /w/index.html\"}}}}\n  \
             pre:\n    - |\n      gateway=$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')\n      wget -qO- http://db/\n      \
             for there in {there}; do\n        wget -qO- http://$there:{PORT}/ || echo not from $there\n      done\n"
        );
        let commit = self.house.commit(&captain, &[]);
        self.house.build(&commit).await
    }

    /// What its step found, in a line each.
    async fn said(&mut self, network: StepNetwork) -> Vec<String> {
        let build = self.build(network).await;
        assert_eq!(build.artifacts().len(), 1);
        let all: String = build.0.steps.values().map(|step| step.text()).collect();
        let found = |line: &&str| ["of ", "not from "].iter().any(|begin| line.starts_with(begin));
        all.lines().filter(found).map(str::to_owned).collect()
    }

    /// Somebody loads the rules of the machine anew, and all others are gone.
    fn flush_rules(&self) {
        /// A batch with one message: delete every table.
        const FLUSH: &str = "import socket, struct\n\
             def message(kind, flags, subsystem): return struct.pack('=IHHIIBBH', 20, kind, flags, 0, 0, 0, 0, socket.htons(subsystem))\n\
             kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)\n\
             kernel.send(message(16, 1, 10) + message(10 << 8 | 2, 5, 0) + message(17, 1, 10))\n\
             assert struct.unpack('=i', kernel.recv(4096)[16:20]) == (0,)\n";
        self.engine.within("python3", &["-c", FLUSH]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_reaches_the_world_outside_and_neither_its_machine_nor_what_that_alone_is_told() {
    let mut machine = Machine::new().await;
    // What it would reach: the operator decided so.
    let all = machine.said(StepNetwork::Unguarded).await;
    assert_eq!(all, ["of the service", "of machine", "of machine", "of outside", "of outside"]);
    for flushed in [false, true] {
        if flushed {
            machine.flush_rules();
        }
        let said = machine.said(StepNetwork::Open).await;
        let [service, gateway, rest @ ..] = said.as_slice() else { panic!("{said:?}") };
        assert!(service == "of the service" && gateway.starts_with("not from "), "{said:?}, flushed before: {flushed}");
        let not = |address: &str| format!("not from {address}");
        assert_eq!(rest, [not(METADATA), not(BEHIND), "of outside".to_owned()], "flushed before: {flushed}");
    }

    // The program that puts the rules up is none: they cannot be, and nothing begins.
    let image = machine.engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "slipway-inside"]).concat();
    let _ = machine.engine.docker(&["tag", "busybox:latest", &image]);
    let build = machine.build(StepNetwork::Open).await;
    let failure = build.failure();
    assert!(
        failure.contains("the Docker engine could not put up the rules that keep builds from its machine: "),
        "{failure}"
    );
    assert!(failure.ends_with("or let builds reach the machine (runner.step_network = \"unguarded\")"), "{failure}");
    assert!(build.0.steps.values().all(|step| !step.text().contains("not from")), "{:#?}", build.0);
}
