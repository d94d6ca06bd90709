//! The words in which the kernel is told a table of its packet filter: messages of attributes over netlink.
//!
//! The numbers are those of `linux/netlink.h`, `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`; the kernel's
//! own account of them: <https://docs.kernel.org/networking/netlink_spec/nftables.html>

use std::net::IpAddr;

/// For IPv4 and IPv6 alike.
const INET: u8 = 1;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const DELETE_TABLE: u16 = NEW_TABLE + 2;
const NEW_CHAIN: u16 = NEW_TABLE + 3;
const NEW_RULE: u16 = NEW_TABLE + 6;

const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// On attributes that hold attributes.
const NESTED: u16 = 0x8000;

/// Where a test finds what it looks at.
const REGISTER: u32 = 1;
const EQUAL: u32 = 0;
const UNEQUAL: u32 = 1;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;

/// The parts of a packet.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// States of a connection, as bits.
const ESTABLISHED: u32 = 1 << 1;
const RELATED: u32 = 1 << 2;
/// What the kernel notes on a connection whose destination it changes.
const REDIRECTED: u32 = 1 << 5;

/// One thing that a packet is looked at for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Test<'a> {
    /// It came by an interface whose name begins so.
    FromAll(&'a str),
    /// It came by this interface.
    From(&'a str),
    /// It is of this protocol above IP.
    Protocol(u8),
    /// It is for this port, of UDP or TCP.
    Port(u16),
    /// It is a message of ICMP of a type from the one to the other.
    Message(u8, u8),
    /// It is for this address, or for one with as many first bits of it.
    To(IpAddr, u8),
    /// It belongs to no connection that is under way.
    Begins,
    /// The machine has led it elsewhere than it was for, as it does with the ports that it publishes.
    Redirected,
}

/// What becomes of a packet that passes every test of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    /// Whoever sent it is told at once.
    Refuse,
}

/// Where the kernel asks a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// For packets to the machine itself.
    Input,
    /// For packets that it passes on.
    Forward,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Hook::Input => "input",
            Hook::Forward => "forward",
        }
    }

    fn number(self) -> u32 {
        match self {
            Hook::Input => 1,
            Hook::Forward => 2,
        }
    }
}

/// Messages that are carried out together or not at all, each with what it does, for whoever is told of its failure.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    doing: Vec<String>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        let mut batch = Batch::default();
        batch.message(BATCH_BEGIN, 0, 0, "change the packet filter", &[]);
        batch
    }

    /// A table without chains, whatever was there under its name before.
    pub(crate) fn table(&mut self, name: &str) {
        let named = [text(1, name)].concat();
        for (kind, flags, doing) in
            [(NEW_TABLE, CREATE, "make"), (DELETE_TABLE, 0, "empty"), (NEW_TABLE, CREATE, "make anew")]
        {
            self.message(kind, flags | ACKNOWLEDGE, INET, &format!("{doing} the table {name}"), &named);
        }
    }

    /// A chain that is asked before those of usual priority, and lets through what no rule of it is for.
    pub(crate) fn chain(&mut self, table: &str, hook: Hook) {
        /// Before the `filter` of others.
        const PRIORITY: u32 = (-10_i32).cast_unsigned();
        const ACCEPT: u32 = 1;
        let place = nested(4, &[number(1, hook.number()), number(2, PRIORITY)]);
        let told = [text(1, table), text(3, hook.name()), place, number(5, ACCEPT), text(7, "filter")].concat();
        self.message(NEW_CHAIN, CREATE | ACKNOWLEDGE, INET, &format!("make the chain {}", hook.name()), &told);
    }

    /// A rule behind those of its chain.
    pub(crate) fn rule(&mut self, table: &str, hook: Hook, tests: &[Test<'_>], verdict: Verdict) {
        let expressions: Vec<_> = tests.iter().flat_map(expressions).chain([sentence(verdict)]).collect();
        let told = [text(1, table), text(2, hook.name()), nested(4, &expressions)].concat();
        let doing = format!("{verdict:?} in {} what is {tests:?}", hook.name());
        self.message(NEW_RULE, CREATE | APPEND | ACKNOWLEDGE, INET, &doing, &told);
    }

    /// All of it, and what each message does that the kernel answers, in their order: the first has the number 0.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<String>) {
        self.message(BATCH_END, 0, 0, "", &[]);
        self.doing.pop();
        (self.bytes, self.doing)
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, doing: &str, attributes: &[u8]) {
        /// Of the two headers.
        const HEADERS: usize = 20;
        let subsystem = if family == 0 { SUBSYSTEM } else { 0 };
        self.bytes.extend(length(HEADERS + attributes.len()).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((REQUEST | flags).to_ne_bytes());
        self.bytes.extend(length(self.doing.len()).to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(subsystem.to_be_bytes());
        self.bytes.extend(attributes);
        self.doing.push(doing.to_owned());
    }
}

/// The number of the message that an answer is for, and the kernel's number of what is wrong with it; 0 where nothing is.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<(usize, i32)> {
    const ERROR: u16 = 2;
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
        let [a, b, c, d, e, f, _, _, g, h, i, j, ..] = *head;
        let (size, kind) = (u32::from_ne_bytes([a, b, c, d]) as usize, u16::from_ne_bytes([e, f]));
        if kind == ERROR
            && let Some(code) = rest.first_chunk()
        {
            found.push((u32::from_ne_bytes([g, h, i, j]) as usize, -i32::from_ne_bytes(*code)));
        }
        bytes = bytes.get(size.max(16).next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// What a test is to the kernel: something is loaded, and compared.
fn expressions(test: &Test<'_>) -> Vec<Vec<u8>> {
    match *test {
        Test::FromAll(name) => vec![load("meta", 6), compare(EQUAL, name.as_bytes())],
        Test::From(name) => vec![load("meta", 6), compare(EQUAL, &[name.as_bytes(), b"\0"].concat())],
        Test::Protocol(protocol) => vec![load("meta", 16), compare(EQUAL, &[protocol])],
        Test::Port(port) => vec![part(TRANSPORT_HEADER, 2, 2), compare(EQUAL, &port.to_be_bytes())],
        Test::Message(from, to) => {
            vec![part(TRANSPORT_HEADER, 0, 1), compare(AT_LEAST, &[from]), compare(AT_MOST, &[to])]
        }
        Test::To(address, bits) => {
            let (family, offset, octets) = match address {
                IpAddr::V4(address) => (2, 16, address.octets().to_vec()),
                IpAddr::V6(address) => (10, 24, address.octets().to_vec()),
            };
            let mask: Vec<_> = (0..octets.len()).map(|at| ones(usize::from(bits).saturating_sub(at * 8))).collect();
            let wanted: Vec<_> = octets.iter().zip(&mask).map(|(octet, mask)| octet & mask).collect();
            let address = part(NETWORK_HEADER, offset, length(octets.len()));
            vec![load("meta", 15), compare(EQUAL, &[family]), address, masked(&mask), compare(EQUAL, &wanted)]
        }
        Test::Begins => bits_of_connection(0, ESTABLISHED | RELATED, EQUAL),
        Test::Redirected => bits_of_connection(2, REDIRECTED, UNEQUAL),
    }
}

/// A byte whose first bits are set.
fn ones(count: usize) -> u8 {
    !(0xff_u8.checked_shr(u32::try_from(count).unwrap_or(u32::MAX)).unwrap_or_default())
}

fn bits_of_connection(key: u32, mask: u32, operation: u32) -> Vec<Vec<u8>> {
    vec![load("ct", key), masked(&mask.to_ne_bytes()), compare(operation, &[0; 4])]
}

fn sentence(verdict: Verdict) -> Vec<u8> {
    match verdict {
        Verdict::Accept => {
            const ACCEPT: u32 = 1;
            let code = nested(2, &[number(1, ACCEPT)]);
            expression("immediate", &[number(1, 0), nested(2, &[code])])
        }
        Verdict::Refuse => {
            /// An ICMP message of either family that says "administratively prohibited".
            const EITHER: u32 = 2;
            const PROHIBITED: u8 = 3;
            expression("reject", &[number(1, EITHER), attribute(2, &[PROHIBITED])])
        }
    }
}

/// Something that the kernel knows of a packet, by its key.
fn load(what: &str, key: u32) -> Vec<u8> {
    // The two kinds of these have their attributes in the same order.
    expression(what, &[number(1, REGISTER), number(2, key)])
}

/// Something that the packet holds.
fn part(base: u32, offset: u32, size: u32) -> Vec<u8> {
    expression("payload", &[number(1, REGISTER), number(2, base), number(3, offset), number(4, size)])
}

fn masked(mask: &[u8]) -> Vec<u8> {
    let nothing = vec![0; mask.len()];
    let size = number(3, length(mask.len()));
    expression("bitwise", &[number(1, REGISTER), number(2, REGISTER), size, data(4, mask), data(5, &nothing)])
}

fn compare(operation: u32, with: &[u8]) -> Vec<u8> {
    expression("cmp", &[number(1, REGISTER), number(2, operation), data(3, with)])
}

fn expression(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[text(1, name), nested(2, parts)])
}

fn data(kind: u16, value: &[u8]) -> Vec<u8> {
    nested(kind, &[attribute(1, value)])
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &parts.concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), b"\0"].concat())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    const HEADER: usize = 4;
    let size = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [size.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn length(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_ends_where_the_next_can_begin() {
        assert_eq!(text(7, "ab"), [&7_u16.to_ne_bytes()[..], &7_u16.to_ne_bytes(), b"ab\0\0"].concat());
        assert_eq!(number(1, 0x0102), [&8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &[0, 0, 1, 2]].concat());
    }

    #[test]
    fn networks_are_masked_by_their_bits() {
        let masks = |bits: usize| (0..4).map(|at| ones(bits.saturating_sub(at * 8))).collect::<Vec<_>>();
        for (bits, mask) in [(0, [0; 4]), (10, [255, 192, 0, 0]), (16, [255, 255, 0, 0]), (32, [255; 4])] {
            assert_eq!(masks(bits), mask, "/{bits}");
        }
    }

    #[test]
    fn every_message_has_a_number_and_a_length_that_leads_to_the_next() {
        let mut batch = Batch::new();
        batch.table("t");
        batch.chain("t", Hook::Forward);
        batch.rule("t", Hook::Forward, &[Test::From("docker0"), Test::Begins], Verdict::Refuse);
        let (bytes, doing) = batch.finish();
        let mut rest = bytes.as_slice();
        let mut numbers = Vec::new();
        while !rest.is_empty() {
            let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
            numbers.push(word(8));
            rest = &rest[word(0)..];
        }
        assert_eq!(numbers, (0..=doing.len()).collect::<Vec<_>>(), "the end of the batch has one, too");
        assert_eq!(doing.len(), 6);
        assert_eq!(doing.last().unwrap(), "Refuse in forward what is [From(\"docker0\"), Begins]");
    }

    #[test]
    fn answers_are_told_apart() {
        let answer = |number: u32, code: i32| {
            let head = [&36_u32.to_ne_bytes()[..], &2_u16.to_ne_bytes(), &[0; 2], &number.to_ne_bytes(), &[0; 4]];
            [&head.concat()[..], &code.to_ne_bytes(), &[0; 16]].concat()
        };
        let both = [answer(3, 0), answer(4, -1)].concat();
        assert_eq!(answers(&both), [(3, 0), (4, 1)]);
        for end in 0..both.len() {
            assert!(answers(&both[..end]).len() <= 2, "what is cut off is no answer");
        }
    }
}
