//! Cutting a stream of bytes into lines that a person can read.

use super::Masks;

/// Collects one stream's bytes and gives out whole lines.
///
/// A line ends at `\n` or `\r\n`. What follows a lone `\r` overwrites what stood before it, as on a terminal, so that a
/// progress bar is one line and not a thousand. Invalid UTF-8 is replaced. A line longer than the limit is cut and says so.
/// Secrets are masked.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    limit: usize,
    masks: Masks,
    pending: Vec<u8>,
    /// How many bytes of the pending line were over the limit.
    over: usize,
    /// A `\r` was read whose meaning the next byte decides.
    after_return: bool,
}

impl LineSplitter {
    /// Gives out lines of at most `limit` bytes, not counting the marker of a cut one.
    pub(crate) fn new(limit: usize, masks: Masks) -> Self {
        LineSplitter { limit, masks, pending: Vec::new(), over: 0, after_return: false }
    }

    /// Takes bytes in and hands each completed line to `line`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(&first) = bytes.first() {
            match first {
                b'\n' => {
                    line(self.take());
                    bytes = &bytes[1..];
                }
                b'\r' => {
                    self.after_return = true;
                    bytes = &bytes[1..];
                }
                _ => {
                    if std::mem::take(&mut self.after_return) {
                        self.pending.clear();
                        self.over = 0;
                    }
                    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
                    self.push(&bytes[..end]);
                    bytes = &bytes[end..];
                }
            }
        }
    }

    /// Gives out what was written without a line ending.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (!self.pending.is_empty() || self.over > 0).then(|| self.take())
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.pending.len();
        let kept = bytes.len().min(room);
        self.pending.extend_from_slice(&bytes[..kept]);
        self.over += bytes.len() - kept;
    }

    fn take(&mut self) -> String {
        self.after_return = false;
        let mut over = std::mem::take(&mut self.over);
        if over > 0 {
            over += drop_split_character(&mut self.pending);
        }
        self.masks.line(&mut self.pending, over > 0);
        let mut text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        if over > 0 {
            text.push_str(&format!(" [line cut here: {over} more bytes]"));
        }
        text
    }
}

/// Removes a character whose last bytes were cut off, as it is not invalid, only incomplete. Returns how many bytes went.
fn drop_split_character(bytes: &mut Vec<u8>) -> usize {
    let whole = bytes.len();
    if let Err(error) = std::str::from_utf8(bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    whole - bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(limit: usize, pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::new(limit, Masks::default());
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.feed(piece, |line| lines.push(line));
        }
        lines.extend(splitter.finish());
        lines
    }

    #[test]
    fn lines_are_put_together_across_pieces() {
        assert_eq!(split(100, &[b"one\ntw", b"o\n\nfour"]), ["one", "two", "", "four"]);
    }

    #[test]
    fn windows_line_endings_are_one_ending() {
        assert_eq!(split(100, &[b"one\r\ntwo\r", b"\nthree\r"]), ["one", "two", "three"]);
    }

    #[test]
    fn a_progress_bar_is_its_last_state() {
        assert_eq!(split(100, &[b" 10%\r 50%\r", b"100%\n", b"done\n"]), ["100%", "done"]);
    }

    #[test]
    fn a_character_in_two_pieces_stays_whole_and_invalid_bytes_are_replaced() {
        assert_eq!(split(100, &[b"caf\xc3", b"\xa9\n", b"\xff!\n"]), ["café", "\u{fffd}!"]);
    }

    #[test]
    fn a_long_line_is_cut_and_says_how_much_is_missing() {
        assert_eq!(split(4, &[b"abcdefg", b"hij\nnext\n"]), ["abcd [line cut here: 6 more bytes]", "next"]);
        assert_eq!(split(4, &["abcé\n".as_bytes()]), ["abc [line cut here: 2 more bytes]"]);
    }

    #[test]
    fn endless_output_without_an_ending_is_bounded() {
        let mut splitter = LineSplitter::new(1024, Masks::default());
        for _ in 0..1000 {
            splitter.feed(&[b'x'; 4096], |_| ());
        }
        assert!(splitter.pending.capacity() <= 4096);
    }
}
