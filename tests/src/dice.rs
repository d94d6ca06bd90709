//! Numbers that nobody chose, and that can be had again.

/// Another seed each time, unless `SLIPWAY_SEED` gives one. It is printed, and shown by the harness when the test fails.
///
/// # Panics
/// When the machine's clock stands before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a test's own setting, and what repeats a failure")]
pub fn seed() -> u64 {
    let given = std::env::var("SLIPWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs());
    eprintln!("SLIPWAY_SEED={seed}");
    seed
}

/// The generator of Sebastiano Vigna (splitmix64), public domain: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// A number below this one.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}
