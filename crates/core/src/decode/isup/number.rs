//! Numbers of ISUP (Q.763, 3.9, 3.10, 3.26, 3.30, 3.39, 3.44, 3.51).

/// Address signals of one number: E.164 has 15 digits, carriers and routing prefixes add a few. More are cut off.
pub(crate) const MAX_SIGNALS: usize = 32;

/// The address signal ST: the number is complete (Q.763, 3.9 e). In a number that isn't a called one it is filler.
const ST: u8 = 15;

/// Nature of address indicator (Q.763, 3.9 b).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nature {
    /// 1: subscriber number, national use.
    Subscriber,
    /// 3: national (significant) number.
    National,
    /// 4: international number.
    International,
    /// Unknown, network-specific, national use, and the numbers with portability routing.
    Other,
}

impl Nature {
    const fn of(octet: u8) -> Self {
        match octet & 0x7f {
            1 => Self::Subscriber,
            3 => Self::National,
            4 => Self::International,
            _ => Self::Other,
        }
    }
}

/// Address presentation restricted indicator (Q.763, 3.10 e): what the other subscriber may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presentation {
    /// 0, and the numbers that have no such field.
    Allowed,
    /// 1.
    Restricted,
    /// 2: there is no number.
    NotAvailable,
    /// 3.
    Spare,
}

/// A number as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) nature: Nature,
    pub(crate) presentation: Presentation,
    signals: &'a [u8],
    odd: bool,
}

impl<'a> Number<'a> {
    /// Called party and redirection number: no presentation.
    pub(super) fn called(octets: &'a [u8]) -> Option<Self> {
        let (&[nature, _plan], signals) = octets.split_first_chunk()?;
        let odd = nature & 0x80 != 0;
        Some(Self { nature: Nature::of(nature), presentation: Presentation::Allowed, signals, odd })
    }

    /// Every other number.
    pub(super) fn party(octets: &'a [u8]) -> Option<Self> {
        let (&[_, plan], _) = octets.split_first_chunk()?;
        let presentation = match plan >> 2 & 3 {
            0 => Presentation::Allowed,
            1 => Presentation::Restricted,
            2 => Presentation::NotAvailable,
            _ => Presentation::Spare,
        };
        Some(Self { presentation, ..Self::called(octets)? })
    }

    /// Subsequent number: signals behind an odd/even indicator (Q.763, 3.51).
    pub(super) fn subsequent(octets: &'a [u8]) -> Option<Self> {
        let (first, signals) = octets.split_first()?;
        let (nature, presentation) = (Nature::Other, Presentation::Allowed);
        Some(Self { nature, presentation, signals, odd: first & 0x80 != 0 })
    }

    /// The address signals, the first in the low half of its octet; of an odd number the last half is filler.
    fn signals(&self) -> impl Iterator<Item = u8> + use<'a> {
        let count = self.signals.len() * 2 - usize::from(self.odd && !self.signals.is_empty());
        self.signals.iter().flat_map(|octet| [octet & 15, octet >> 4]).take(count.min(MAX_SIGNALS))
    }

    /// Nothing was sent, or it was sent that there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.presentation == Presentation::NotAvailable || self.digits().is_empty()
    }

    /// ST stands last: no more digits will come.
    pub(crate) fn is_complete(&self) -> bool {
        self.signals().last() == Some(ST)
    }

    /// The signals as hexadecimal digits, without ST: code 11 and code 12 are `B` and `C`.
    pub(crate) fn digits(&self) -> String {
        self.signals().take_while(|s| *s != ST).filter_map(hexadecimal).collect()
    }

    /// The signals as hexadecimal digits, ST and filler included: what the wire holds.
    #[cfg(feature = "inspect")]
    pub(crate) fn raw(&self) -> String {
        self.signals().filter_map(hexadecimal).collect()
    }

    /// The number as parties are written.
    pub(crate) fn text(&self) -> String {
        text(self.nature, self.digits())
    }
}

/// `digits` of a number as parties are written: `+` before international digits, `;ton=2` behind national ones, as for
/// short messages. `NumberingPlan::identity` reads it back; what is neither stays as it was dialled.
pub(crate) fn text(nature: Nature, mut digits: String) -> String {
    match nature {
        Nature::International if !digits.starts_with('0') => digits.insert(0, '+'),
        Nature::International => digits.push_str(";ton=1"),
        Nature::National => digits.push_str(";ton=2"),
        Nature::Subscriber | Nature::Other => {}
    }
    digits
}

fn hexadecimal(signal: u8) -> Option<char> {
    char::from_digit(u32::from(signal), 16).map(|c| c.to_ascii_uppercase())
}
