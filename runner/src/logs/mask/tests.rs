#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;

use super::*;
use crate::{
    coordinator::{LogPosition, LogStream},
    logs::{LogBuffer, LogLimits},
};

fn masks(values: &[&str]) -> Masks {
    let secret = |value: &&str| SecretValue { name: "NAME".to_owned(), version: None, value: (*value).to_owned() };
    Masks::of(&values.iter().map(secret).collect::<Vec<_>>())
}

fn masked(values: &[&str], text: &str) -> String {
    masks(values).text(text).into_owned()
}

#[test]
fn a_secret_is_masked_wherever_it_stands() {
    assert_eq!(masked(&["hunter22"], "x hunter22hunter22, hunter2"), "x ***, hunter2");
    assert_eq!(masked(&["abcdef", "defghi"], "_abcdefghi_"), "_***_", "overlapping ones leave nothing standing");
    assert_eq!(masked(&["bcde", "hijk", "abcdefghijklm"], "abcdefghijklm"), "***", "nor does one within another");
    assert_eq!(masked(&["abc"], "abc"), "abc", "what is shorter than four bytes hides nothing");
}

#[test]
fn each_line_of_a_longer_secret_is_masked() {
    let key = "-----BEGIN KEY-----\r\nMIIEowIBAAKCAQEA\n  c2VjcmV0\nab\n-----END KEY-----\n";
    for (line, expected) in [("MIIEowIBAAKCAQEA", "***"), ("c2VjcmV0", "***"), ("ab", "ab")] {
        assert_eq!(masked(&[key], line), expected);
    }
}

#[test]
fn encoded_secrets_are_masked() {
    let value = "p&ss wörd/\"1\"\n";
    let trimmed = value.trim();
    let long = "0123456789".repeat(20);
    for shown in [
        STANDARD.encode(value),
        STANDARD.encode(format!("user:{trimmed}")),
        STANDARD.encode(format!("u:{trimmed}@host")),
        STANDARD.encode(format!("us:{trimmed}")),
        serde_json::to_string(trimmed).unwrap(),
        // Python, PHP, .NET.
        r#""p&ss w\u00f6rd/\"1\"""#.to_owned(),
        r#""p&ss w\u00f6rd\/\"1\"""#.to_owned(),
        r#""p\u0026ss w\u00F6rd/\u00221\u0022""#.to_owned(),
        "p%26ss%20w%C3%B6rd%2F%221%22".to_owned(),
        "p%26ss+w%c3%b6rd%2f%221%22".to_owned(),
    ] {
        let text = masked(&[value], &shown);
        assert!(text.contains(MASK) && text.len() < MASK.len() + 12, "{shown} -> {text}");
    }
    assert_eq!(masked(&["fish&chips"], r#"{"of":"fish\u0026chips"}"#), r#"{"of":"***"}"#, "Go");
    for line in STANDARD.encode(&long).as_bytes().chunks(76) {
        let line = std::str::from_utf8(line).unwrap();
        assert!(masked(&[&long], line).starts_with(MASK), "base64 -w 76: {line}");
    }
}

#[test]
fn a_secret_that_the_lines_limit_cuts_leaves_nothing_behind() {
    let limits = LogLimits { line_bytes: 10, ..LogLimits::default() };
    for pad in 0..12 {
        let mut buffer = LogBuffer::at(LogPosition::default(), limits, masks(&["correct-horse"]));
        buffer.feed(LogStream::Out, format!("{}correct-horse\n", "_".repeat(pad)).as_bytes(), 0);
        let text = &buffer.take_chunk().unwrap().lines[0].text;
        assert!(!text.contains('c') || text.contains("cut here"), "{text}");
        assert!(!text.trim_start_matches('_').starts_with('c'), "{text}");
    }
}

/// Everything that a buffer gives out after `text` came in pieces cut at `cuts`, between which the other stream wrote.
fn lines(values: &[String], text: &str, cuts: &[usize], stream: LogStream) -> Vec<String> {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut buffer = LogBuffer::at(LogPosition::default(), LogLimits::default(), masks(&values));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut from = 0;
    for to in cuts {
        buffer.feed(stream, &text.as_bytes()[from..to], 0);
        buffer.feed(if stream == LogStream::Out { LogStream::Err } else { LogStream::Out }, b"other\n", 0);
        from = to;
    }
    buffer.end_lines(0);
    let chunks = std::iter::from_fn(|| buffer.take_chunk());
    let ours = chunks.flat_map(|chunk| chunk.lines).filter(|line| line.stream == stream);
    ours.map(|line| line.text).collect()
}

proptest! {
    #[test]
    fn no_cut_of_the_stream_lets_a_secret_through(
        values in prop::collection::vec("[a-cA-C ]{4,12}(\n[a-c]{4,8})?", 1..4),
        noise in prop::collection::vec("[a-c%\"\n ]{0,12}", 1..8),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        err in any::<bool>(),
    ) {
        let mut text = String::new();
        for (at, piece) in noise.iter().enumerate() {
            text.push_str(piece);
            text.push_str(&values[at % values.len()]);
        }
        let stream = if err { LogStream::Err } else { LogStream::Out };
        let shown = lines(&values, &text, &cuts, stream);
        for part in values.iter().flat_map(|value| value.lines()).map(str::trim).filter(|part| part.len() >= 4) {
            prop_assert!(shown.iter().all(|line| !line.contains(part)), "{part:?} in {shown:?}");
        }
        prop_assert_eq!(shown, lines(&values, &text, &[], stream), "the cuts change nothing");
    }

    #[test]
    fn no_cut_of_the_stream_lets_an_encoded_secret_through(
        value in "[a-z0-9/+=&<>\"%é][a-z0-9/+=&<>\"% é]{4,18}[a-z0-9/+=&<>\"%é]",
        form in 0..5_usize,
        before in "x{0,5}",
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let long = format!("{before}{value}");
        let text = match form {
            0 => STANDARD.encode(&long),
            1 => URL_SAFE_NO_PAD.encode(&long),
            2 => long.bytes().map(|byte| format!("{byte:02x}")).collect(),
            3 => url::form_urlencoded::byte_serialize(long.as_bytes()).collect(),
            _ => serde_json::to_string(&long).unwrap(),
        };
        let shown = lines(std::slice::from_ref(&value), &text, &cuts, LogStream::Out).join("\n");
        prop_assert!(shown.contains(MASK), "{text} of {value} is shown as {shown}");
    }
}
