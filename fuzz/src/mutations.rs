//! Inputs made by chance from samples: what a fuzzer does without looking at the program. The same number gives the same
//! inputs.

/// The longest input, in bytes.
const MAX_INPUT: usize = 4096;
/// The most changes to one sample.
const MAX_CHANGES: u64 = 6;

/// Makes inputs out of samples.
#[derive(Debug)]
pub struct Mutator<'a> {
    samples: &'a [String],
    /// Pieces of the language.
    words: Vec<String>,
    state: u64,
}

impl<'a> Mutator<'a> {
    /// A mutator over samples, of which there must be one, with the words of a libFuzzer dictionary.
    #[must_use]
    pub fn new(samples: &'a [String], dictionary: &str, seed: u64) -> Self {
        let quoted = dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
        let words = quoted.map(|word| word.replace("\\x0a", "\n").replace("\\x20", " ")).collect();
        // The generator stands still at nought.
        Mutator { samples, words, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next input.
    pub fn input(&mut self) -> String {
        let sample = self.below(self.samples.len());
        let mut bytes = self.samples[sample].clone().into_bytes();
        for _ in 0..=self.next() % MAX_CHANGES {
            self.change(&mut bytes);
            bytes.truncate(MAX_INPUT);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = at + self.below((bytes.len() - at).min(64) + 1);
        match self.next() % 8 {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            2 | 3 => {
                let word = self.below(self.words.len().max(1));
                let word = self.words.get(word).cloned().unwrap_or_default();
                let end = if self.next().is_multiple_of(2) { at } else { end };
                bytes.splice(at..end, word.into_bytes());
            }
            4 => {
                let other = self.below(self.samples.len());
                let other = self.samples[other].as_bytes();
                let from = self.below(other.len() + 1);
                let to = from + self.below((other.len() - from).min(256) + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 => {
                let byte = b" \n:-'\"[]{}&*!|>#%@$\\\t,0aZ\x00\xc3"[self.below(26)];
                bytes.insert(at, byte);
            }
            6 => {
                // A line moves in or out.
                let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                if bytes.get(start) == Some(&b' ') && self.next().is_multiple_of(2) {
                    bytes.remove(start);
                } else {
                    bytes.insert(start, b' ');
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (self.state % 8);
                }
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}
