//! Redaction is the default: what identifies a subscriber prints as a mark unless somebody asks for it by name.

use std::fmt;

/// A value that identifies somebody or is content. `Debug` and `Display` print `«redacted»`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pii<T>(pub T);

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«redacted»")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«redacted»")
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn never_prints_its_value() {
        let number = Pii("+33612345678".to_owned());
        assert_eq!(format!("{number} {number:?}"), "«redacted» «redacted»");
    }
}
