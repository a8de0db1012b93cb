//! Where a request body ends.

/// The rest of a body, as its head announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// That many bytes are left.
    Length(u64),
    /// Chunks, and this is the place in them.
    Chunked(Chunk),
}

/// A place in a chunked body. The grammar is RFC 9112 section 7.1 without what no client of ours
/// sends and proxies disagree about: no chunk extension, no trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the size, of which that many digits were read.
    Size {
        /// Digits read.
        digits: u8,
        /// What they spell.
        size: u64,
    },
    /// The line feed that ends the size.
    SizeFeed(u64),
    /// In the data of a chunk.
    Data(u64),
    /// The carriage return after the data.
    Return,
    /// The line feed after the data.
    Feed,
    /// The carriage return that ends the body.
    LastReturn,
    /// The line feed that ends the body.
    LastFeed,
}

/// What a piece of a body came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it belongs to the body, which goes on.
    On,
    /// The body ended after that many bytes.
    End(usize),
    /// That many bytes are good; the next one breaks the framing.
    Broken(usize),
}

/// Digits of a chunk size: 4 GiB less one is more than any body may have.
const SIZE_DIGITS: u8 = 8;

impl Frame {
    /// A chunked body at its start.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::START);

    /// Whether there is no body at all.
    pub(super) const fn is_empty(self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Moves over `bytes`. Never past the end.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Reach {
        match self {
            Self::Length(left) => {
                let take = clamp(*left, bytes.len());
                *left = left.saturating_sub(widen(take));
                if *left == 0 {
                    Reach::End(take)
                } else {
                    Reach::On
                }
            }
            Self::Chunked(chunk) => chunk.advance(bytes),
        }
    }
}

impl Chunk {
    const START: Self = Self::Size { digits: 0, size: 0 };

    fn advance(&mut self, bytes: &[u8]) -> Reach {
        let mut at = 0_usize;
        while let Some(byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let take = clamp(*left, bytes.len().saturating_sub(at));
                *left = left.saturating_sub(widen(take));
                if *left == 0 {
                    *self = Self::Return;
                }
                at = at.saturating_add(take);
                continue;
            }
            let Some(next) = self.step(*byte) else {
                return Reach::Broken(at);
            };
            let ended = *self == Self::LastFeed;
            *self = next;
            at = at.saturating_add(1);
            if ended {
                return Reach::End(at);
            }
        }
        Reach::On
    }

    /// The place after `byte`, outside of data.
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Size { digits: 1.., size }, b'\r') => Some(Self::SizeFeed(size)),
            (Self::Size { digits, size }, _) if digits < SIZE_DIGITS => Some(Self::Size {
                digits: digits.saturating_add(1),
                size: size << 4 | u64::from(char::from(byte).to_digit(16)?),
            }),
            (Self::SizeFeed(0), b'\n') => Some(Self::LastReturn),
            (Self::SizeFeed(size), b'\n') => Some(Self::Data(size)),
            (Self::Return, b'\r') => Some(Self::Feed),
            (Self::Feed | Self::LastFeed, b'\n') => Some(Self::START),
            (Self::LastReturn, b'\r') => Some(Self::LastFeed),
            _ => None,
        }
    }
}

/// The smaller of both, as a length.
fn clamp(left: u64, have: usize) -> usize {
    usize::try_from(left).map_or(have, |left| left.min(have))
}

/// A length as a count. No platform has a wider `usize`.
fn widen(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `body` comes to when it arrives in one piece and in two, at every split.
    fn reach(frame: Frame, body: &[u8]) -> Reach {
        let whole = { frame }.advance(body);
        for split in 0..=body.len() {
            let (first, second) = body.split_at(split);
            let mut state = frame;
            let in_two = match state.advance(first) {
                Reach::On => match state.advance(second) {
                    Reach::On => Reach::On,
                    Reach::End(at) => Reach::End(at.strict_add(split)),
                    Reach::Broken(at) => Reach::Broken(at.strict_add(split)),
                },
                early => early,
            };
            assert_eq!(in_two, whole, "split at {split} of {body:?}");
        }
        whole
    }

    #[test]
    fn a_length_ends_where_it_says() {
        assert_eq!(reach(Frame::Length(3), b"ab"), Reach::On);
        assert_eq!(reach(Frame::Length(3), b"abc"), Reach::End(3));
        assert_eq!(reach(Frame::Length(3), b"abcGET /"), Reach::End(3));
    }

    #[test]
    fn chunks_end_at_the_last_line() {
        assert_eq!(reach(Frame::CHUNKED, b"0\r\n\r\n"), Reach::End(5));
        assert_eq!(
            reach(Frame::CHUNKED, b"5\r\nhello\r\n0\r\n\r\nGET"),
            Reach::End(15)
        );
        assert_eq!(
            reach(Frame::CHUNKED, b"00A\r\n0123456789\r\n000\r\n\r\n"),
            Reach::End(24)
        );
        assert_eq!(reach(Frame::CHUNKED, b"5\r\nhello\r\n"), Reach::On);
        assert_eq!(reach(Frame::CHUNKED, b"fFfFfFfF\r\nx"), Reach::On);
    }

    #[test]
    fn every_loose_spelling_of_a_chunk_is_broken() {
        let cases: &[&[u8]] = &[
            b"\r\n",
            b" 5\r\n",
            b"+5\r\n",
            b"-5\r\n",
            b"0x5\r\n",
            b"5 \r\n",
            b"5;a=b\r\n",
            b"5;\r\n",
            b"5\n",
            b"5\r\r\n",
            b"5\t\r\n",
            b"_5\r\n",
            b"g\r\n",
            b"000000000\r\n",
            b"100000000\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nx: y\r\n\r\n",
            b"0\r\n\r\r",
            b"0\n\n",
            b"0\r\n \r\n",
        ];
        for case in cases {
            let broken = reach(Frame::CHUNKED, case);
            assert!(
                matches!(broken, Reach::Broken(_)),
                "{case:?} gave {broken:?}"
            );
        }
    }
}
