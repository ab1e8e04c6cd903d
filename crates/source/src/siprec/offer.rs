//! Offers of a controller (RFC 8866), and the answers of a recorder (RFC 7866, 7.2): it takes what it is sent and sends
//! nothing.

use std::fmt::Write as _;
use std::net::IpAddr;

/// Most media descriptions of an offer that get a port.
pub(super) const MAX_MEDIA: usize = 32;

/// One media description.
pub(super) struct Media<'a> {
    media: &'a str,
    proto: &'a str,
    formats: &'a str,
    /// Nothing is sent for now.
    inactive: bool,
    /// Lines that the answer repeats: `rtpmap`, `fmtp`, `label`, `rtcp-mux`.
    repeated: Vec<&'a str>,
    port: u16,
    /// Where the controller says that it sends from.
    pub(super) address: Option<IpAddr>,
}

impl Media<'_> {
    /// Whether it can be received: RTP in clear over UDP. Keys of SRTP would have to be answered with our own.
    pub(super) fn is_acceptable(&self) -> bool {
        self.port != 0 && matches!(self.proto, "RTP/AVP" | "RTP/AVPF")
    }
}

/// The media descriptions of an offer; `None` when it is none, or has too many.
pub(super) fn media(offer: &str) -> Option<Vec<Media<'_>>> {
    offer.starts_with("v=").then_some(())?;
    let (mut all, mut session_address, mut session_inactive): (Vec<Media<'_>>, _, _) =
        (Vec::new(), None, false);
    for line in offer.lines() {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match (kind, all.last_mut()) {
            ("m", _) => {
                let mut fields = value.splitn(4, ' ');
                let media = fields.next()?;
                let port = fields.next()?.split('/').next()?.parse().ok()?;
                if all.len() == MAX_MEDIA {
                    return None;
                }
                all.push(Media {
                    media,
                    proto: fields.next()?,
                    formats: fields.next()?,
                    inactive: session_inactive,
                    repeated: Vec::new(),
                    port,
                    address: session_address,
                });
            }
            ("c", last) => {
                let address =
                    value.split(' ').nth(2).and_then(|a| a.split('/').next()).and_then(|a| a.parse().ok());
                match last {
                    Some(media) => media.address = address,
                    None => session_address = address,
                }
            }
            ("a", None) => session_inactive |= value == "inactive",
            ("a", Some(media)) => match value.split(':').next()? {
                "rtpmap" | "fmtp" | "label" | "rtcp-mux" => media.repeated.push(line),
                "inactive" => media.inactive = true,
                "sendonly" | "sendrecv" => media.inactive = false,
                _ => {}
            },
            _ => {}
        }
    }
    (!all.is_empty()).then_some(all)
}

/// The answer: `ports` has one for each description that is taken.
pub(super) fn answer(
    media: &[Media<'_>],
    ports: &[Option<u16>],
    at: IpAddr,
    (id, version): (u64, u32),
) -> String {
    let family = if at.is_ipv4() { 4 } else { 6 };
    let mut out = format!(
        "v=0\r\no=mandat {id} {version} IN IP{family} {at}\r\ns=-\r\nc=IN IP{family} {at}\r\nt=0 0\r\n"
    );
    for (media, port) in media.iter().zip(ports) {
        let Media { media: kind, proto, formats, .. } = media;
        _ = write!(out, "m={kind} {} {proto} {formats}\r\n", port.unwrap_or(0));
        if port.is_some() {
            media.repeated.iter().for_each(|line| _ = write!(out, "{line}\r\n"));
            out.push_str(if media.inactive { "a=inactive\r\n" } else { "a=recvonly\r\n" });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_it_can_take() {
        let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 7000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=label:96\r\na=sendonly\r\na=ptime:20\r\n\
            m=audio 7002 RTP/SAVP 0\r\na=label:97\r\nm=audio 7004 RTP/AVPF 8\r\nc=IN IP4 192.0.2.5\r\na=inactive\r\n";
        let media = media(offer).unwrap();
        assert_eq!(media.iter().map(Media::is_acceptable).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(media[2].address, "192.0.2.5".parse().ok());
        let answer =
            answer(&media, &[Some(20_000), None, Some(20_002)], "192.0.2.2".parse().unwrap(), (5, 1));
        assert!(
            answer.ends_with(
                "m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=label:96\r\na=recvonly\r\n\
             m=audio 0 RTP/SAVP 0\r\nm=audio 20002 RTP/AVPF 8\r\na=inactive\r\n"
            ),
            "{answer}"
        );
        assert!(super::media("m=audio").is_none() && super::media("v=0\r\nm=audio x RTP/AVP 0").is_none());
        assert!(super::media(&format!("v=0\n{}", "m=audio 1 RTP/AVP 0\n".repeat(MAX_MEDIA + 1))).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "(?s).{0,100}") {
            _ = media(&format!("v=0\n{text}"));
        }
    }
}
