//! What a program changes in a terminal that has no neutral value to be set back to blindly.

/// Colours, and the pointer's shape, that were changed; the user's own may come from such sequences too, so that only what the
/// program changed is reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched(u8);

impl Touched {
    pub(crate) const PALETTE: Self = Self(1);
    pub(crate) const FOREGROUND: Self = Self(1 << 1);
    pub(crate) const BACKGROUND: Self = Self(1 << 2);
    pub(crate) const CURSOR: Self = Self(1 << 3);
    pub(crate) const POINTER: Self = Self(1 << 4);

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Gives what resets it all.
    pub(crate) fn reset(self) -> Vec<u8> {
        let resets: [(Self, &[u8]); 5] = [
            (Self::PALETTE, b"\x1b]104\x1b\\"),
            (Self::FOREGROUND, b"\x1b]110\x1b\\"),
            (Self::BACKGROUND, b"\x1b]111\x1b\\"),
            (Self::CURSOR, b"\x1b]112\x1b\\"),
            (Self::POINTER, b"\x1b]22;\x1b\\"),
        ];
        let resets = resets.iter().filter(|(what, _)| self.0 & what.0 != 0);
        resets
            .flat_map(|(_, reset)| reset.iter().copied())
            .collect()
    }
}
