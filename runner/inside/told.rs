//! What the runner tells by standard input or in a file: variables that no description of a container may hold.
//!
//! One line: `slipway`, each `NAME=VALUE` in hexadecimal digits, and `end`, with a space between them. A runner that was
//! killed may have told a part of it, and its next life tells all of it once more, on a line of its own.

use std::{
    ffi::{OsStr, OsString},
    io::{self, BufRead, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// The longest line that is read, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// The variables of the first line that is whole; none when there is no more to come.
pub(crate) fn variables(mut input: impl BufRead) -> io::Result<Option<Vec<(OsString, OsString)>>> {
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(MOST).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if let Some(variables) = whole(line.trim_ascii_end()) {
            return Ok(Some(variables));
        }
    }
}

fn whole(line: &[u8]) -> Option<Vec<(OsString, OsString)>> {
    let between = line.strip_prefix(b"slipway")?.strip_suffix(b" end")?;
    between.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(variable).collect()
}

fn variable(word: &[u8]) -> Option<(OsString, OsString)> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let text: Vec<u8> = word.chunks(2).map(pair).collect::<Option<_>>()?;
    let at = text.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    let (name, value) = text.split_at(at);
    let value = value.strip_prefix(b"=")?;
    if text.contains(&0) {
        return None;
    }
    Some((OsStr::from_bytes(name).to_owned(), OsString::from_vec(value.to_vec())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    /// `A=b c`, `N=` and `X==`.
    const LINE: &str = "slipway 413d622063 4e3d 583d3d end\n";

    fn read(input: &str) -> Option<Vec<(String, String)>> {
        let text = |text: OsString| text.into_string().unwrap();
        let read = variables(input.as_bytes()).unwrap()?;
        Some(read.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn variables_are_told_in_one_line() {
        let expected = [("A", "b c"), ("N", ""), ("X", "=")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read(LINE).unwrap(), expected);
        assert_eq!(read("slipway end\n").unwrap(), []);
    }

    #[test]
    fn wherever_it_was_cut_the_next_whole_line_counts() {
        for cut in 0..LINE.len() - 1 {
            let begun = &LINE[..cut];
            assert_eq!(read(begun).is_some(), cut == LINE.len() - 1, "{begun}");
            assert_eq!(read(&format!("{begun}\n{LINE}")), read(LINE), "{begun}");
        }
        assert_eq!(read("nonsense\nslipway 41 end\nslipway 4g3d end\nslipway 3d41 end\nslipway 413d00 end\n"), None);
    }
}
