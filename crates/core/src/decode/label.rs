//! Labels of media descriptions (RFC 4574). Only the descriptions of recording sessions are asked for them, so they are
//! read here and not with everything else.

use smallvec::SmallVec;

use super::sdp::{Lines, MAX_MEDIA};
use super::sip::trim;

/// The label of each media description, in order; `None` for one that has none. The first counts.
pub(crate) fn labels(description: &[u8]) -> SmallVec<[Option<&[u8]>; 4]> {
    let mut out: SmallVec<[Option<&[u8]>; 4]> = SmallVec::new();
    for line in Lines(description) {
        if line.starts_with(b"m=") {
            if out.len() == MAX_MEDIA {
                break;
            }
            out.push(None);
        } else if let (Some(label), Some(last @ None)) = (line.strip_prefix(b"a=label:"), out.last_mut()) {
            *last = Some(trim(label));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p22_labels_by_media_description() {
        let offer = b"v=0\r\na=label:none\r\nm=audio 1 RTP/AVP 0\r\na=label:96\r\na=label:98\r\nm=audio 0 RTP/AVP 0\r\nm=video 3 RTP/AVP 99\na=label: b= ";
        assert_eq!(&labels(offer)[..], [Some(&b"96"[..]), None, Some(b"b=")]);
        assert_eq!(labels(&b"m=x\n".repeat(MAX_MEDIA + 1)).len(), MAX_MEDIA);
    }

    proptest! {
        #[test]
        fn any_octets(octets: Vec<u8>) {
            prop_assert!(labels(&octets).len() <= MAX_MEDIA);
        }
    }
}
