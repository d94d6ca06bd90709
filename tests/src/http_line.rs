//! A client that does nothing but what it is told: one HTTP/1.1 request on one connection, and never again.
//!
//! Ordinary clients send a request once more when a kept connection turns out to be closed, and so hide that it was lost.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client for one address and one host name.
#[derive(Debug)]
pub struct StrictClient {
    address: String,
    head: String,
    body: Vec<u8>,
    keep_alive: bool,
    connection: Option<TcpStream>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct LineAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub text: String,
    /// How long it took from the last byte of the request on.
    pub took: Duration,
}

impl StrictClient {
    /// A client for `http://ADDRESS:PORT/path`: GET without a body, else POST. With `keep_alive`, a connection is used as
    /// long as the server has not said that it closes it.
    ///
    /// # Panics
    /// When the address is not an `http://` one.
    #[must_use]
    pub fn new(url: &str, host: &str, body: Vec<u8>, keep_alive: bool) -> Self {
        let rest = url.strip_prefix("http://").expect("an http:// address");
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let method = if body.is_empty() { "GET" } else { "POST" };
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        StrictClient { address: address.to_owned(), head, body, keep_alive, connection: None }
    }

    /// With another header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let end = self.head.len() - "\r\n".len();
        self.head.insert_str(end, &format!("{name}: {value}\r\n"));
        self
    }

    /// Asks once.
    ///
    /// # Errors
    /// With what the request met, a status other than 200 included.
    pub async fn ask(&mut self) -> Result<String, String> {
        let LineAnswer { status, text, .. } = self.answer().await?;
        if status == 200 { Ok(text.trim().to_owned()) } else { Err(format!("{status} {text}")) }
    }

    /// Asks once, whatever the status is.
    ///
    /// # Errors
    /// With what the request met.
    pub async fn answer(&mut self) -> Result<LineAnswer, String> {
        match tokio::time::timeout(PATIENCE, self.exchange()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(format!("{}: {failure}", self.head.lines().next().unwrap_or_default())),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        }
    }

    async fn exchange(&mut self) -> io::Result<LineAnswer> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => TcpStream::connect(&self.address).await?,
        };
        // A head and a body are two writes: the second one must not wait for the first one's acknowledgement.
        connection.set_nodelay(true)?;
        connection.write_all(self.head.as_bytes()).await?;
        connection.write_all(&self.body).await?;
        let asked = Instant::now();
        let mut read = Vec::new();
        let end = read_until(&mut connection, &mut read, find_end_of_head).await?;
        let head = String::from_utf8_lossy(read.get(..end).unwrap_or_default()).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| odd("no status"))?;
        let mut body = read.split_off(end);
        if let Some(length) = header(&head, "content-length") {
            let length: usize = length.parse().map_err(|_| odd("an odd length"))?;
            read_until(&mut connection, &mut body, |body| (body.len() >= length).then_some(length)).await?;
        } else {
            // Chunks: the apps of tests write text, in which the last chunk's mark does not occur.
            let end = |body: &[u8]| body.ends_with(b"0\r\n\r\n").then_some(body.len());
            read_until(&mut connection, &mut body, end).await?;
            body = unchunked(&body);
        }
        if self.keep_alive && header(&head, "connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(LineAnswer { status, text: String::from_utf8_lossy(&body).into_owned(), took: asked.elapsed() })
    }
}

async fn read_until(
    connection: &mut TcpStream,
    read: &mut Vec<u8>,
    enough: impl Fn(&[u8]) -> Option<usize>,
) -> io::Result<usize> {
    loop {
        if let Some(end) = enough(read) {
            return Ok(end);
        }
        if connection.read_buf(read).await? == 0 {
            return Err(odd(&format!("closed after {} bytes of the answer", read.len())));
        }
    }
}

fn find_end_of_head(read: &[u8]) -> Option<usize> {
    read.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

fn unchunked(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = body;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(&String::from_utf8_lossy(size), 16).unwrap_or(0);
        let after = after.get(2..).unwrap_or_default();
        text.extend_from_slice(after.get(..size).unwrap_or_default());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    text
}

fn odd(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
