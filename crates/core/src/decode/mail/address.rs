//! Addresses in From, To and Cc (RFC 5322 3.4): lists, groups, display names, comments and quoted local parts.

/// Nested comments. RFC 5322 allows any number and nobody writes two.
const MAX_COMMENTS: usize = 16;

/// Gives each address of an unfolded field to `emit`, without display name, comments and brackets.
pub(crate) fn addresses(field: &str, emit: &mut impl FnMut(&str)) {
    let mut reading = Reading::default();
    let (mut comments, mut quoted, mut escaped) = (0usize, false, false);
    for letter in field.chars() {
        if escaped {
            escaped = false;
            if comments == 0 {
                reading.push(letter);
            }
        } else if quoted {
            escaped = letter == '\\';
            quoted = letter != '"';
            reading.push(letter);
        } else if comments > 0 {
            match letter {
                '\\' => escaped = true,
                '(' => comments = (comments + 1).min(MAX_COMMENTS),
                ')' => comments -= 1,
                _ => {}
            }
        } else {
            match letter {
                '(' => comments = 1,
                '"' => {
                    quoted = true;
                    reading.push(letter);
                }
                '<' => reading.open(),
                '>' => reading.angle = false,
                ',' | ';' if !reading.angle => reading.finish(emit),
                // `Group:` names a list; `@relay:` inside brackets is a source route (RFC 5322 4.4).
                ':' | ',' | ';' => reading.current().clear(),
                letter if letter.is_whitespace() => reading.gap(),
                letter => reading.push(letter),
            }
        }
    }
    reading.finish(emit);
}

/// One address of a list.
#[derive(Default)]
struct Reading {
    /// A bare address, or a display name.
    bare: String,
    /// What stands in brackets.
    inner: Option<String>,
    angle: bool,
    /// White space stood after the last word: two words are a display name and no address.
    gap: bool,
}

impl Reading {
    fn current(&mut self) -> &mut String {
        match &mut self.inner {
            Some(inner) if self.angle => inner,
            _ => &mut self.bare,
        }
    }

    fn push(&mut self, letter: char) {
        let gap = std::mem::take(&mut self.gap);
        let text = self.current();
        // `a @ b` is an address with white space in it; `Alice a@b` is one behind a name.
        if gap && !text.is_empty() && !matches!(letter, '@' | '.') && !text.ends_with(['@', '.']) {
            text.clear();
        }
        text.push(letter);
    }

    const fn gap(&mut self) {
        self.gap = true;
    }

    fn open(&mut self) {
        self.angle = true;
        self.gap = false;
        self.inner = Some(String::new());
    }

    fn finish(&mut self, emit: &mut impl FnMut(&str)) {
        let Self { bare, inner, .. } = std::mem::take(self);
        let address = inner.unwrap_or(bare);
        if address.contains('@') {
            emit(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(field: &str) -> Vec<String> {
        let mut found = Vec::new();
        addresses(field, &mut |address| found.push(address.to_owned()));
        found
    }

    #[test]
    fn every_form_of_rfc_5322_gives_its_address() {
        for (field, wanted) in [
            ("alice@example.com", vec!["alice@example.com"]),
            ("Alice <alice@example.com>, bob@b.example", vec!["alice@example.com", "bob@b.example"]),
            ("alice@example.com (Alice (the first))", vec!["alice@example.com"]),
            ("\"Doe, Jane\" <jane@x.example>", vec!["jane@x.example"]),
            ("\"evil@x.example\" <jane@x.example>", vec!["jane@x.example"]),
            ("\"john \\\" doe\"@x.example", vec!["\"john \\\" doe\"@x.example"]),
            (
                "Friends: a@x.example, Bob <b@x.example>;, c@x.example",
                vec!["a@x.example", "b@x.example", "c@x.example"],
            ),
            ("undisclosed-recipients:;", vec![]),
            ("<@relay.example:alice@example.com>", vec!["alice@example.com"]),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", vec!["pete@silly.test"]),
            ("alice @ example . com", vec!["alice@example.com"]),
            ("Jos\u{e9} <δοκιμή@παράδειγμα.ελ>", vec!["δοκιμή@παράδειγμα.ελ"]),
            ("nobody", vec![]),
        ] {
            assert_eq!(read(field), wanted, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read_without_panic(field in "\\PC{0,60}", signs in "[<>(),:;@\"\\\\a ]{0,60}") {
            for text in [&field, &signs] {
                prop_assert!(read(text).iter().map(String::len).sum::<usize>() <= text.len());
            }
        }
    }
}
