//! Free ports, and waiting for somebody to listen on one.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::wait::until;

/// A port of 127.0.0.1 that nobody listens on now.
#[must_use]
pub fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the address of a bound port").port()
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
