//! What goes wrong with the bytes of one kind of connection in one direction.

/// Positions count from the first byte of each connection in this direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// After so many bytes nothing more passes, and the connection stands; 0 is silence from now on.
    pub hold: Option<u64>,
    /// After so many bytes the connection ends.
    pub cut: Option<u64>,
    /// A bit of this byte is flipped.
    pub alter: Option<u64>,
    /// The connection ends at random, after so many bytes in the mean.
    pub cut_mean: Option<u64>,
    /// Bits are flipped at random, one in so many bytes in the mean.
    pub alter_mean: Option<u64>,
}

/// What chance has in store for one direction of one connection.
pub(super) struct Chance {
    state: u64,
    /// How far into its mean the connection gets.
    cut: f64,
    /// Bytes up to the next flipped bit, in means; and where counting began.
    flip: (f64, u64),
}

impl Chance {
    /// The chance of direction `way` of connection `number`, which follows from `seed`.
    pub(super) fn new(seed: u64, number: u64, way: usize) -> Self {
        let way = u64::try_from(way).unwrap_or(0);
        let mut chance = Self { state: seed, cut: 0.0, flip: (0.0, 0) };
        for part in [number, way] {
            chance.state = chance.next() ^ part;
        }
        chance.cut = chance.exponential();
        chance.flip.0 = chance.exponential();
        chance
    }

    /// A number of all 64-bit ones: SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, 1.
    pub(super) fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Time to the next event of those that come once in 1 in the mean.
    fn exponential(&mut self) -> f64 {
        -(1.0 - self.fraction()).ln()
    }

    /// Byte after which the connection ends.
    pub(super) fn cut(&self, faults: &Faults) -> u64 {
        let random = faults.cut_mean.map_or(u64::MAX, |mean| times(self.cut, mean));
        random.min(faults.cut.unwrap_or(u64::MAX))
    }

    /// Flips what is to be flipped in `bytes`, the first of which is byte `passed`.
    pub(super) fn flip(&mut self, faults: &Faults, passed: u64, bytes: &mut [u8]) {
        let place = |at: u64| usize::try_from(at.checked_sub(passed)?).ok();
        if let Some(byte) = faults.alter.and_then(place).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        let Some(mean) = faults.alter_mean else { return };
        loop {
            let at = self.flip.1.saturating_add(times(self.flip.0, mean));
            match place(at).map(|at| bytes.get_mut(at)) {
                Some(None) => return,
                Some(Some(byte)) => *byte ^= 1 << (self.next() % 8),
                // It would have come before flipping began.
                None => {}
            }
            self.flip = (self.exponential(), at.max(passed) + 1);
        }
    }
}

fn times(fraction: f64, mean: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a random number of bytes need not be exact; casts from floats saturate"
    )]
    let bytes = (fraction * mean as f64) as u64;
    bytes
}
