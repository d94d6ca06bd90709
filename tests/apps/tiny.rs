//! An app as small as can be: it answers with the version in its environment, and keeps connections. The benchmarks compile
//! it for themselves, into an image of nothing else.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

fn main() -> std::io::Result<()> {
    let version = std::env::var("VERSION").unwrap_or_default();
    for client in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        let (client, version) = (client?, version.clone());
        thread::spawn(move || serve(client, &version));
    }
    Ok(())
}

/// Answers one request after the other; none has a body.
fn serve(client: TcpStream, version: &str) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client.try_clone()?);
    let mut answers = client;
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        let length = version.len();
        write!(answers, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{version}")?;
    }
}
