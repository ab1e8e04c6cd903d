//! Claims of an Identity header: a `PASSporT` (RFC 8224, RFC 8225). Signatures are not checked: that takes certificates from
//! the network, and a claim that a switch has let through is a fact of the call all the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::address;
use super::more::head;
use crate::product::Passport;
use crate::redact::Pii;

/// Longest part of a token that is read. Claims with rich call data (RFC 9795) reach some kilobytes.
const MAX_PART: usize = 16 * 1024;

/// Longest number or URI kept.
const MAX_IDENTITY: usize = 256;

/// Reads one Identity value. `None` for the compact form (RFC 8224, 7), which repeats the headers and claims nothing that
/// they don't, and for what isn't a token.
pub(crate) fn parse(value: &[u8]) -> Option<Passport> {
    let token = head(value);
    let mut parts = token.split(|b| *b == b'.');
    let (header, payload) = (object(parts.next()?), object(parts.next()?)?);
    let named = header.as_ref().and_then(|h| h.get("ppt")).and_then(Value::as_str);
    let ppt = match named {
        Some(ppt) => ppt.as_bytes(),
        None => address::parameter(value, b"ppt"),
    };
    // Registered types are short words (RFC 8225, 10.3.1); anything else is not worth repeating.
    let word = |t: &&str| t.len() <= 16 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let ppt = std::str::from_utf8(ppt).ok().filter(word).unwrap_or_default();
    let attest = payload.get("attest").and_then(Value::as_str).and_then(|a| a.chars().next());
    Some(Passport {
        ppt: ppt.into(),
        attest: attest.filter(|a| matches!(a, 'A'..='C')),
        orig: identity(payload.get("orig")),
        dest: identity(payload.get("dest")),
        div: identity(payload.get("div")),
    })
}

fn object(part: &[u8]) -> Option<Value> {
    if part.is_empty() || part.len() > MAX_PART {
        return None;
    }
    // serde_json bounds the depth of nesting itself.
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok().filter(Value::is_object)
}

/// `{"tn": "…"}` or `{"uri": "…"}`; `dest` has lists of them (RFC 8225, 5.2.1).
fn identity(claim: Option<&Value>) -> Option<Pii<Box<str>>> {
    let claim = claim?;
    let text = ["tn", "uri"].into_iter().find_map(|key| match claim.get(key)? {
        Value::String(text) => Some(text.as_str()),
        Value::Array(list) => list.first()?.as_str(),
        _ => None,
    })?;
    (text.len() <= MAX_IDENTITY).then(|| Pii(text.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln;info=<https://c.example/x>;alg=ES256;ppt=\"shaken\"", part(header), part(payload))
    }

    #[test]
    fn p16_reads_the_claims() {
        let shaken = token(
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"u"}"#,
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1,"orig":{"tn":"12155551212"},"origid":"o"}"#,
        );
        let read = parse(shaken.as_bytes()).expect("claims");
        let text = |p: &Option<Pii<Box<str>>>| p.as_ref().map(|p| p.0.to_string());
        assert_eq!((&*read.ppt, read.attest), ("shaken", Some('A')));
        assert_eq!(
            (text(&read.orig).as_deref(), text(&read.dest).as_deref()),
            (Some("12155551212"), Some("12155551213"))
        );
        let div = token(
            r#"{"ppt":"div"}"#,
            r#"{"div":{"uri":"sip:x@h"},"dest":{"uri":["sip:y@h"]},"orig":{"tn":7}}"#,
        );
        let read = parse(div.as_bytes()).expect("claims");
        assert_eq!(
            (text(&read.div).as_deref(), text(&read.dest).as_deref(), read.orig),
            (Some("sip:x@h"), Some("sip:y@h"), None)
        );
        assert_eq!(parse(b"..c2ln;info=<u>"), None, "the compact form");
    }

    proptest! {
        #[test]
        fn any_octets(octets: Vec<u8>, text in "[ -~]{0,60}") {
            let _ = parse(&octets);
            let _ = parse(token(&text, &text).as_bytes());
        }
    }
}
