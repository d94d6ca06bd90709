//! A forward proxy for the steps of one build, which lets through the hosts that the operator lists.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    allow::Allowed,
    begin::NOT_BEGUN,
    head::{Asked, asked},
};

/// How many connections there are at a time.
const CONNECTIONS: usize = 256;
/// The longest head of a request, in bytes.
const HEAD: usize = 32 * 1024;
/// How long a client may take for its head, and a host to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing may go either way.
const IDLE: Duration = Duration::from_secs(300);

/// Serves until its container is removed. `arguments` are its own name in the build's network, the port, and the list.
pub(crate) fn serve(arguments: &[String]) -> u8 {
    let [name, port, list @ ..] = arguments else { return NOT_BEGUN };
    let Ok(port) = port.parse::<u16>() else { return NOT_BEGUN };
    let allowed = Arc::new(Allowed::of(list.iter().map(String::as_str)));
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("the relay cannot listen on port {port}: {error}");
            return NOT_BEGUN;
        }
    };
    let open = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming().flatten() {
        // It listens on the engine's usual network, too, where others are.
        if !is_of_build(&client, name) || open.load(Ordering::SeqCst) >= CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::SeqCst);
        let (allowed, place) = (allowed.clone(), Place(open.clone()));
        let serving = thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let _place = place;
            // Whoever hangs up needs no answer.
            let _ = answer(&client, &allowed);
        });
        if let Err(error) = serving {
            eprintln!("a connection was dropped: {error}");
        }
    }
    NOT_BEGUN
}

/// One of the connections there may be.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether somebody reached the relay by the address that it has in the build's network.
fn is_of_build(client: &TcpStream, name: &str) -> bool {
    let Ok(reached) = client.local_addr() else { return false };
    (name, 0).to_socket_addrs().is_ok_and(|mut own| own.any(|own| own.ip() == reached.ip()))
}

/// Answers one request, and passes on what is said then.
fn answer(client: &TcpStream, allowed: &Allowed) -> io::Result<()> {
    let Some((head, rest)) = head(client)? else {
        return refuse(client, 400, "this is no request to a proxy of HTTP");
    };
    let Some(Asked { host, port, forward }) = asked(&head) else {
        return refuse(client, 400, "the proxy of this build understands CONNECT, and requests for http:// addresses");
    };
    if !allowed.host(&host, port) {
        let why = format!(
            "{host}:{port} is not among the hosts that steps reach on this runner; its operator can add it to runner.step_hosts"
        );
        return refuse(client, 403, &why);
    }
    let found: Vec<SocketAddr> = match (host.as_str(), port).to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => return refuse(client, 502, &format!("{host} is not found: {error}")),
    };
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| allowed.address(found.ip(), port));
    if let (true, Some(bad)) = (good.is_empty(), bad.first()) {
        let why = format!(
            "{host} is at {}, an internal address; the operator of this runner can add {bad} to runner.step_hosts as well",
            bad.ip()
        );
        return refuse(client, 403, &why);
    }
    let connected = good.iter().find_map(|good| TcpStream::connect_timeout(good, PATIENCE).ok());
    let Some(mut server) = connected else {
        return refuse(client, 502, &format!("{host}:{port} does not answer"));
    };
    match forward {
        Some(forward) => server.write_all(&forward)?,
        None => (&*client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
    }
    server.write_all(&rest)?;
    pass_on(client, &server)
}

/// The head of a request, and what came behind it; none where it is no text, or too long.
fn head(mut client: &TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let until = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > HEAD {
            return Ok(None);
        }
        client.set_read_timeout(Some(left))?;
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend(piece.iter().take(count));
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok(String::from_utf8(bytes).ok().map(|head| (head, rest)));
        }
    }
}

/// Says no, to the client and to whoever reads what this container writes.
fn refuse(mut client: &TcpStream, status: u16, why: &str) -> io::Result<()> {
    eprintln!("{status}: {why}");
    let text = format!("Slipway: {why}\n");
    let kind = "Content-Type: text/plain; charset=utf-8\r\nConnection: close";
    let head = format!("HTTP/1.1 {status} Refused\r\n{kind}\r\nContent-Length: {}\r\n\r\n", text.len());
    client.write_all((head + &text).as_bytes())?;
    client.shutdown(Shutdown::Write)
}

/// Passes on both ways until both are done, or nothing has gone either way for long.
fn pass_on(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let began = Instant::now();
    let last = AtomicU64::new(0);
    for stream in [client, server] {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_write_timeout(Some(IDLE))?;
    }
    thread::scope(|scope| {
        let back =
            thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, || one_way(server, client, began, &last));
        if back.is_ok() {
            one_way(client, server, began, &last);
        }
        back.map(drop)
    })
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream, began: Instant, last: &AtomicU64) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => {
                // The other way goes on until its own end.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => {
                last.store(began.elapsed().as_secs(), Ordering::SeqCst);
                if piece.get(..count).is_some_and(|piece| to.write_all(piece).is_ok()) {
                    continue;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // This way may be silent while the other is not.
                if began.elapsed().as_secs() - last.load(Ordering::SeqCst) < IDLE.as_secs() {
                    continue;
                }
            }
            Err(_) => {}
        }
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
        return;
    }
}
