//! The CRYPTO stream of an Initial, put together (RFC 9000, 19.6).

use crate::decode::tls::MAX_HELLO;

/// Pieces of one hello held at once. Browsers cut it into some 10 to 20 on purpose.
const MAX_PIECES: usize = 64;

/// A stream's octets, come in any order. Pieces are sorted and neither overlap nor touch, so that memory is what was
/// received and no more. Where two copies differ the first is kept, as receivers do.
#[derive(Default)]
pub(in crate::session) struct Pieces(Vec<(usize, Vec<u8>)>);

impl Pieces {
    /// Octets kept.
    pub(in crate::session) fn octets(&self) -> usize {
        self.0.iter().map(|(_, octets)| octets.capacity()).sum()
    }

    /// The octets from 0 on, as far as there is no gap.
    pub(in crate::session) fn beginning(&self) -> &[u8] {
        match self.0.first() {
            Some((0, octets)) => octets,
            _ => &[],
        }
    }

    /// Adds what isn't there yet; says whether anything was. What ends behind [`MAX_HELLO`] or would make more than
    /// [`MAX_PIECES`] pieces is left out.
    pub(in crate::session) fn insert(&mut self, offset: u64, mut data: &[u8]) -> bool {
        let Ok(mut at) = usize::try_from(offset) else { return false };
        if at.saturating_add(data.len()) > MAX_HELLO {
            return false;
        }
        let mut news = false;
        let mut index = self.0.partition_point(|(start, octets)| start + octets.len() <= at);
        while !data.is_empty() {
            let (gap, covered) = match self.0.get(index) {
                None => (data.len(), 0),
                Some((start, octets)) => {
                    let gap = start.saturating_sub(at).min(data.len());
                    (gap, (start + octets.len() - at - gap).min(data.len() - gap))
                }
            };
            let (new, rest) = data.split_at(gap);
            if !new.is_empty() {
                if self.0.len() >= MAX_PIECES && !self.touches(index, at, gap) {
                    return news;
                }
                news = true;
                index = self.put(index, at, new);
            }
            at += gap + covered;
            data = &rest[covered..];
            index += 1;
        }
        news
    }

    /// Whether octets at `at`, between the pieces `index - 1` and `index`, would touch one of them.
    fn touches(&self, index: usize, at: usize, length: usize) -> bool {
        let before = index.checked_sub(1).and_then(|i| self.0.get(i));
        before.is_some_and(|(start, octets)| start + octets.len() == at)
            || self.0.get(index).is_some_and(|(start, _)| *start == at + length)
    }

    /// Puts octets into the gap before piece `index`, joins neighbours, and returns the index of the joined piece.
    fn put(&mut self, mut index: usize, at: usize, new: &[u8]) -> usize {
        match index.checked_sub(1).and_then(|i| self.0.get_mut(i)) {
            Some((start, octets)) if *start + octets.len() == at => {
                octets.extend_from_slice(new);
                index -= 1;
            }
            _ => self.0.insert(index, (at, new.to_vec())),
        }
        if self.0.get(index + 1).is_some_and(|(start, _)| *start == at + new.len()) {
            let (_, next) = self.0.remove(index + 1);
            self.0[index].1.extend_from_slice(&next);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p53_pieces_are_bounded() {
        let mut pieces = Pieces::default();
        assert!(!pieces.insert(u64::MAX, &[1]));
        assert!(!pieces.insert(MAX_HELLO as u64, &[1]));
        for offset in 0..200 {
            pieces.insert(offset * 2, &[1]);
        }
        assert_eq!(pieces.0.len(), MAX_PIECES);
        assert!(pieces.insert(1, &[1]), "what closes a gap still comes in");
        assert_eq!(pieces.0.len(), MAX_PIECES - 1);
    }

    proptest! {
        #[test]
        fn pieces_give_back_the_stream(
            inserts in proptest::collection::vec((0_usize..300, 0_usize..80), 0..60),
        ) {
            let stream: Vec<u8> = (0..=255).cycle().take(400).collect();
            let mut there = vec![false; stream.len()];
            let mut pieces = Pieces::default();
            for (at, n) in inserts {
                let news = pieces.insert(at as u64, &stream[at..at + n]);
                prop_assert_eq!(news, there[at..at + n].contains(&false));
                there[at..at + n].fill(true);
            }
            let upto = there.iter().position(|t| !t).unwrap_or(there.len());
            prop_assert_eq!(pieces.beginning(), &stream[..upto]);
            let mut last = None;
            for (start, octets) in &pieces.0 {
                prop_assert!(last.is_none_or(|end| end < *start));
                prop_assert_eq!(&stream[*start..start + octets.len()], &octets[..]);
                last = Some(start + octets.len());
            }
        }
    }
}
