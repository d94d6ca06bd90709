#![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

use proptest::prelude::*;

use super::*;

const SMALL: LogLimits = LogLimits { line_bytes: 100, step_bytes: 100, chunk_bytes: 40, unsent_bytes: 80 };

fn texts(chunk: &LogChunk) -> Vec<&str> {
    chunk.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn chunks_and_lines_are_numbered_without_gaps() {
    let mut buffer = LogBuffer::at(LogPosition::default(), SMALL, Masks::default());
    buffer.feed(LogStream::Out, b"one\ntwo\nthree\nfour\n", 7);
    let first = buffer.take_chunk().expect("a chunk");
    let second = buffer.take_chunk().expect("a chunk");
    assert_eq!((first.seq, first.first_line, texts(&first)), (0, 1, vec!["one", "two", "three"]));
    assert_eq!(buffer.take_chunk(), None);
    assert_eq!((second.seq, second.first_line, texts(&second)), (1, 4, vec!["four"]));
}

#[test]
fn the_streams_of_a_step_do_not_mix_within_a_line() {
    let mut buffer = LogBuffer::at(LogPosition::default(), LogLimits::default(), Masks::default());
    buffer.feed(LogStream::Out, b"he", 0);
    buffer.feed(LogStream::Err, b"warn\n", 0);
    buffer.feed(LogStream::Out, b"llo", 0);
    buffer.end_lines(0);
    let chunk = buffer.take_chunk().expect("a chunk");
    assert_eq!(texts(&chunk), ["warn", "hello"]);
}

#[test]
fn a_flood_is_cut_with_a_marker_and_slipways_own_words_still_pass() {
    let mut buffer = LogBuffer::at(LogPosition::default(), SMALL, Masks::default());
    for _ in 0..50 {
        buffer.feed(LogStream::Out, b"0123456789\n", 0);
    }
    buffer.line(LogStream::Slipway, "exit code 1", 0);
    let mut all = Vec::new();
    while let Some(chunk) = buffer.take_chunk() {
        all.extend(chunk.lines.into_iter().map(|line| line.text));
    }
    assert_eq!(
        all,
        [
            "0123456789",
            "0123456789",
            "0123456789",
            "the log is cut here: this step wrote more than 100 bytes, the rest is not kept",
            "exit code 1"
        ]
    );
}

#[test]
fn a_full_buffer_says_so_until_chunks_are_taken() {
    let mut buffer = LogBuffer::at(LogPosition::default(), SMALL, Masks::default());
    buffer.feed(LogStream::Out, b"0123456789\n0123456789\n0123456789\n", 0);
    assert!(!buffer.is_full());
    buffer.line(LogStream::Slipway, "0123456789", 0);
    assert!(buffer.is_full() && buffer.has_chunk());
    buffer.take_chunk();
    assert!(!buffer.is_full());
}

/// What a life of the runner sends of these lines; counted as the server does.
fn sent(position: &mut LogPosition, limits: LogLimits, say: impl FnOnce(&mut LogBuffer)) -> Vec<LogLine> {
    let mut buffer = LogBuffer::at(position.clone(), limits, Masks::default());
    say(&mut buffer);
    chunks(&mut buffer)
        .into_iter()
        .flat_map(|chunk| {
            assert_eq!((chunk.seq, chunk.first_line), (position.next_seq, position.next_line), "it goes on in order");
            position.count(&chunk);
            chunk.lines
        })
        .collect()
}

fn chunks(buffer: &mut LogBuffer) -> Vec<LogChunk> {
    std::iter::from_fn(|| buffer.take_chunk()).collect()
}

fn words(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_resumed_log_leaves_out_what_is_stored_of_each_stream_and_of_slipways_own() {
    let mut position = LogPosition::default();
    let limits = LogLimits::default();
    sent(&mut position, limits, |first| {
        first.line(LogStream::Slipway, "in busybox", 0);
        first.feed(LogStream::Out, b"same\nsame\n", 0);
        first.feed(LogStream::Err, b"warned\n", 0);
        first.feed(LogStream::Out, b"not whole", 0);
    });
    assert_eq!((position.out, position.err, position.next_line), (2, 1, 5));
    let more = sent(&mut position, limits, |second| {
        second.line(LogStream::Slipway, "in busybox", 1);
        second.feed(LogStream::Err, b"warned\nagain\n", 1);
        second.feed(LogStream::Out, b"same\nsame\nnot whole before\nsame", 1);
        second.line(LogStream::Slipway, "in busybox", 1);
        second.end_lines(1);
    });
    assert_eq!(words(&more), ["again", "not whole before", "in busybox", "same"]);
}

#[test]
fn a_step_that_begins_again_says_so_and_all_that_follows_is_new() {
    let mut position = LogPosition::default();
    let limits = LogLimits::default();
    let say = |buffer: &mut LogBuffer| {
        buffer.line(LogStream::Slipway, "in busybox", 0);
        buffer.feed(LogStream::Out, b"one\ntwo\n", 0);
    };
    sent(&mut position, limits, say);
    let again = sent(&mut position, limits, |buffer| {
        buffer.begin_again("its container\nis gone", 1);
        buffer.line(LogStream::Slipway, "in busybox", 1);
        buffer.feed(LogStream::Out, b"one\n", 1);
    });
    assert_eq!(words(&again), ["this step begins again: its container is gone", "in busybox", "one"]);
    assert_eq!((position.out, position.again, position.bytes), (1, 1, 3 * 19));
    assert_eq!(words(&sent(&mut position, limits, say)), ["two"], "the third life goes on with the second run");
}

#[test]
fn the_cap_counts_what_earlier_lives_sent_and_is_told_of_once() {
    let mut position = LogPosition::default();
    let flood =
        |lines: usize| move |buffer: &mut LogBuffer| buffer.feed(LogStream::Out, &b"0123456789\n".repeat(lines), 0);
    assert_eq!(sent(&mut position, SMALL, flood(2)).len(), 2);
    let more = sent(&mut position, SMALL, flood(9));
    assert_eq!(words(&more)[0], "0123456789");
    assert!(words(&more)[1].starts_with("the log is cut here") && more.len() == 2, "{more:?}");
    assert_eq!(sent(&mut position, SMALL, flood(9)), []);
}

proptest! {
    /// Two streams in any order, killed anywhere, and heard again in any other order.
    #[test]
    fn each_stream_s_lines_are_stored_once_and_in_order(
        first in proptest::collection::vec(any::<bool>(), 0..60),
        second in proptest::collection::vec(any::<bool>(), 120),
        (out, err) in (0..60_usize, 0..60_usize),
        cut in 0..30_usize,
        doubled in 1..4_usize,
    ) {
        let limits = LogLimits { chunk_bytes: 40, ..LogLimits::default() };
        // Lines repeat, as they do in life.
        let lines = |count: usize| (0..count).map(|at| format!("{}\n", at / doubled)).collect::<Vec<_>>();
        let streams = [lines(out), lines(err)];
        let feed = |buffer: &mut LogBuffer, order: &[bool]| {
            let mut next = [0, 0];
            for &is_err in order.iter().chain([true; 60].iter()).chain([false; 60].iter()) {
                let stream = usize::from(is_err);
                if let Some(line) = streams[stream].get(next[stream]) {
                    buffer.feed(if is_err { LogStream::Err } else { LogStream::Out }, line.as_bytes(), 0);
                    next[stream] += 1;
                }
            }
        };
        let mut position = LogPosition::default();
        let mut stored = Vec::new();
        let mut earlier = LogBuffer::at(position.clone(), limits, Masks::default());
        feed(&mut earlier, &first);
        for chunk in chunks(&mut earlier).into_iter().take(cut) {
            position.count(&chunk);
            stored.extend(chunk.lines);
        }
        stored.extend(sent(&mut position, limits, |later| feed(later, &second)));
        for (stream, lines) in [LogStream::Out, LogStream::Err].into_iter().zip(&streams) {
            let found: Vec<_> =
                stored.iter().filter(|line| line.stream == stream).map(|line| format!("{}\n", line.text)).collect();
            prop_assert_eq!(&found, lines);
        }
    }
}
