//! The guard of builds that reach the internet: what the kernel's packet filter is told, to keep them from the machine they
//! run on, and from what clouds tell their machines.
//!
//! Its tables are Slipway's own, beside those of others. They are made anew in one transaction each time, so that nothing passes
//! between the old ones and the new ones.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{FromRawFd, OwnedFd},
};

use crate::{
    begin::NOT_BEGUN,
    nftables::{Batch, Hook, Test, Verdict, answers},
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// The messages by which neighbours find each other: solicitation and advertisement.
const NEIGHBOURS: Test<'static> = Test::Message(135, 136);
/// Of the domain name system.
const NAMES: u16 = 53;

/// Where clouds tell their machines who they are and what they may.
const METADATA: [(IpAddr, u8); 6] = [
    // Amazon, Azure, DigitalOcean, Google, Hetzner, OpenStack, Oracle, and whatever else is on the link.
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    // Alibaba.
    (IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), 32),
    // Azure's agent.
    (IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), 32),
    // Oracle, in older forms.
    (IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)), 32),
    // Amazon.
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), 128),
    // Google.
    (IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), 128),
];

/// Puts it up in the network namespace that this runs in. The arguments are the interfaces of builds; one that ends in `*`
/// stands for all whose names begin so.
pub(crate) fn put_up(interfaces: &[String]) -> u8 {
    if interfaces.is_empty() {
        return NOT_BEGUN;
    }
    let mut batch = Batch::new();
    for interface in interfaces {
        add_table(&mut batch, interface);
    }
    match tell(batch) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

/// What the kernel is told for one of them. Each has a table of its own: runners of one machine may guard more or fewer.
fn add_table(batch: &mut Batch, interface: &str) {
    let name = interface.strip_suffix('*');
    let from = name.map_or(Test::From(interface), Test::FromAll);
    let table = &format!("slipway-{}", name.unwrap_or(interface));
    batch.table(table);
    for hook in [Hook::Input, Hook::Forward] {
        batch.chain(table, hook);
        // Clouds and operators have servers of names at these addresses; without names, nothing works.
        for protocol in [UDP, TCP] {
            batch.rule(table, hook, &[from, Test::Protocol(protocol), Test::Port(NAMES)], Verdict::Accept);
        }
    }
    // 1. The machine. It may ask containers, and be answered: so are services found to be ready.
    batch.rule(table, Hook::Input, &[from, Test::Protocol(ICMPV6), NEIGHBOURS], Verdict::Accept);
    batch.rule(table, Hook::Input, &[from, Test::Begins], Verdict::Refuse);
    // 2. What the machine publishes of other containers: an address of the machine's as well.
    batch.rule(table, Hook::Forward, &[from, Test::Begins, Test::Redirected], Verdict::Refuse);
    // 3. What only the machine is told.
    for (address, bits) in METADATA {
        batch.rule(table, Hook::Forward, &[from, Test::To(address, bits)], Verdict::Refuse);
    }
}

/// Tells the kernel, and hears what it says to each message.
fn tell(batch: Batch) -> Result<(), String> {
    let (bytes, doing) = batch.finish();
    let failed = |what: &str, error: &io::Error| format!("the kernel's packet filter cannot {what}: {error}");
    let mut kernel = netlink().map_err(|error| failed("be spoken with (nf_tables)", &error))?;
    kernel.write_all(&bytes).map_err(|error| failed("be told", &error))?;
    // The beginning is answered only where all of it is refused.
    let mut left = doing.len() - 1;
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        let count = match kernel.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // It has answered everything before it is done with what was written.
            Err(error) => return Err(failed("be heard", &error)),
        };
        for (number, code) in answers(piece.get(..count).unwrap_or_default()) {
            if code != 0 {
                let what = doing.get(number).map_or("", String::as_str);
                return Err(failed(what, &io::Error::from_raw_os_error(code)));
            }
            left = left.saturating_sub(1);
        }
    }
    Ok(())
}

/// A socket to the kernel's packet filter.
fn netlink() -> io::Result<File> {
    const AF_NETLINK: i32 = 16;
    const SOCK_RAW: i32 = 3;
    const SOCK_CLOEXEC: i32 = 0o2_000_000;
    const SOCK_NONBLOCK: i32 = 0o4000;
    const NETLINK_NETFILTER: i32 = 12;
    #[expect(unsafe_code, reason = "the standard library opens no such socket")]
    // SAFETY: `socket` takes three integers; what it returns, unless negative, is a descriptor that nobody else has.
    let socket = unsafe {
        unsafe extern "C" {
            fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
        }
        let opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
        if opened < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(opened)
    };
    // To the kernel goes what is written without an address.
    Ok(File::from(socket))
}
