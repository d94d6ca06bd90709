//! Ports of this process's own, and waiting for somebody to listen on one.
//!
//! The system gives a port that was free a moment ago to whoever connects or asks for any port, also between a part's
//! end and its next start. So ports are taken from below those that it gives away, in blocks that belong to one process.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::wait::until;

/// The first port of the first block, and how many there are in each.
const LOWEST: u16 = 10_000;
const BLOCK: u16 = 64;

/// A port of 127.0.0.1 that nobody listens on, and that nobody else is given as long as this process lives.
///
/// # Panics
/// When other test processes have them all.
#[must_use]
pub fn free() -> u16 {
    static OWN: Mutex<Range<u16>> = Mutex::new(0..0);
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        // Somebody who knows nothing of blocks may listen there.
        let free = own.by_ref().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        if let Some(port) = free {
            return port;
        }
        *own = block();
    }
}

/// A block of ports that no other process has. A UDP socket on the first of them marks it as taken: the system lets one
/// process have it, and takes it back when that ends, however it ends.
fn block() -> Range<u16> {
    let mut blocks = (LOWEST..given_away().max(2 * LOWEST)).step_by(BLOCK.into());
    let marked = |first| Some((first, UdpSocket::bind((Ipv4Addr::LOCALHOST, first)).ok()?));
    let (first, mark) = blocks.find_map(marked).expect("a block of ports");
    // Until the process ends.
    std::mem::forget(mark);
    first..first + BLOCK
}

/// The first port that the system gives to whoever asks for any.
fn given_away() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// A loopback address that nobody else uses, for who needs the ports that everybody knows: all of 127.0.0.0/8 leads here.
///
/// # Panics
/// When this user may not listen on port 443.
#[must_use]
pub fn own_loopback() -> Ipv4Addr {
    let random = ulid::Ulid::generate().random().to_be_bytes();
    // 127.0.0.1 and its neighbours are others'.
    let address = Ipv4Addr::new(127, 128 | random[13], random[14], 1 | random[15]);
    let listening = TcpListener::bind((address, 443));
    drop(listening.unwrap_or_else(|error| panic!("tests of HTTPS listen on port 443, which root may: {error}")));
    address
}

/// Waits until the port accepts connections.
///
/// # Panics
/// When nobody listens within the limit.
pub async fn wait_until_open(port: u16, limit: Duration) {
    let connected = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
    drop(until(&format!("somebody to listen on port {port}"), limit, connected).await);
}
