//! SIP requests (RFC 3261), as far as a recording server answers them, and its responses. What they tell of a call is
//! read in the core, from the same octets.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Most header lines of a request.
const MAX_HEADERS: usize = 128;

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

/// Octets of the message at the head of a stream: `Ok(None)` while more must come, an error for what is no message.
pub(super) fn frame(octets: &[u8]) -> Result<Option<usize>, ()> {
    let Some(end) = end_of_headers(octets) else { return Ok(None) };
    let head = std::str::from_utf8(octets.get(..end).unwrap_or_default()).map_err(|_| ())?;
    let length = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let length =
        length.filter(|(name, _)| is(name.trim(), "Content-Length", "l")).map(|(_, value)| value.trim());
    // RFC 3261, 18.3: over a stream it must be there.
    let length: usize = length.last().and_then(|value| value.parse().ok()).ok_or(())?;
    let whole = end.checked_add(length).ok_or(())?;
    Ok((octets.len() >= whole).then_some(whole))
}

fn end_of_headers(octets: &[u8]) -> Option<usize> {
    octets.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn is(name: &str, full: &str, short: &str) -> bool {
    name.eq_ignore_ascii_case(full) || name.eq_ignore_ascii_case(short)
}

/// The compact form of a name (RFC 3261, 7.3.3).
fn short(name: &str) -> &'static str {
    match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Type" => "c",
        "Content-Length" => "l",
        "Supported" => "k",
        "Session-Expires" => "x",
        _ => "\0",
    }
}

impl<'a> Request<'a> {
    /// Reads a request; `None` for a response, and for what has not the headers that every request has.
    pub(super) fn parse(octets: &'a [u8]) -> Option<Self> {
        let end = end_of_headers(octets)?;
        let head = std::str::from_utf8(octets.get(..end)?).ok()?;
        let mut lines = head.trim_start_matches(['\r', '\n']).split("\r\n").filter(|line| !line.is_empty());
        let (method, rest) = lines.next()?.split_once(' ')?;
        rest.ends_with(" SIP/2.0").then_some(())?;
        let mut headers = Vec::new();
        for line in lines {
            // A folded line (7.3.1) belongs to none of the headers that are answered by what they hold.
            if line.starts_with([' ', '\t']) {
                continue;
            }
            let (name, value) = line.split_once(':')?;
            if headers.len() == MAX_HEADERS {
                return None;
            }
            headers.push((name.trim(), value.trim()));
        }
        let request = Self { method, headers, body: octets.get(end..)? };
        let whole =
            ["Via", "From", "To", "Call-ID", "CSeq"].iter().all(|name| request.header(name).is_some());
        whole.then_some(request)
    }

    /// The values of a header.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| is(n, name, short(name))).map(|(_, value)| *value)
    }

    /// The first value of a header.
    pub(super) fn header(&self, name: &'static str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Option tags of Require or Supported.
    pub(super) fn tags(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
    }

    /// Number of `CSeq`.
    pub(super) fn cseq(&self) -> u32 {
        let number = self.header("CSeq").and_then(|value| value.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// The tag of From or To.
    pub(super) fn tag(&self, name: &'static str) -> &'a str {
        let parameters = self.header(name).map_or("", |v| v.rsplit_once('>').map_or(v, |(_, p)| p));
        parameters.split(';').find_map(|p| p.trim().strip_prefix("tag=")).unwrap_or("")
    }

    /// Whether it opens a recording session (RFC 7866, 6.1.1), as its senders in the field say so.
    pub(super) fn is_recording(&self) -> bool {
        self.tags("Require").any(|tag| tag.eq_ignore_ascii_case("siprec"))
            || self.header("Contact").is_some_and(|contact| contact.contains("+sip.src"))
            || self
                .header("Content-Type")
                .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"))
    }

    /// The session description, alone or as a part of the body.
    pub(super) fn description(&self) -> Option<&'a str> {
        let kind = self.header("Content-Type")?;
        let is_sdp = |kind: &str| kind.trim().to_ascii_lowercase().starts_with("application/sdp");
        let body = std::str::from_utf8(self.body).ok()?;
        if is_sdp(kind) {
            return Some(body);
        }
        let lower = kind.to_ascii_lowercase();
        let boundary = kind.get(lower.find("boundary=")? + 9..)?;
        let boundary = match boundary.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => boundary.split(';').next()?.trim(),
        };
        let delimiter = format!("--{boundary}");
        (!boundary.is_empty()).then_some(())?;
        body.split(delimiter.as_str()).find_map(|part| {
            let (head, content) = part.split_once("\r\n\r\n")?;
            let kind = head.split("\r\n").filter_map(|line| line.split_once(':'));
            kind.into_iter().any(|(n, v)| is(n.trim(), "Content-Type", "c") && is_sdp(v)).then_some(content)
        })
    }

    /// Where a response over UDP goes (RFC 3261, 18.2.2; RFC 3581, 4).
    pub(super) fn reply_to(&self, from: SocketAddr) -> SocketAddr {
        let via = self.header("Via").unwrap_or_default();
        let mut parameters = via.split(';');
        let sent_by = parameters.next().and_then(|v| v.split_whitespace().last()).unwrap_or_default();
        if parameters.any(|p| p.trim() == "rport" || p.trim().starts_with("rport=")) {
            return from;
        }
        let port = sent_by.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        SocketAddr::new(from.ip(), port.unwrap_or(5060))
    }

    /// A response: what RFC 3261, 8.2.6 copies from the request, `tag` put to To, further headers, a body.
    pub(super) fn respond(
        &self,
        status: &str,
        tag: &str,
        from: SocketAddr,
        more: &str,
        body: &str,
    ) -> Vec<u8> {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for (n, via) in self.all("Via").enumerate() {
            let mut received = via.to_owned();
            if n == 0 {
                // RFC 3581, 4: only a parameter without value asks for one.
                if let Some((before, after)) =
                    via.split_once(";rport").filter(|(_, after)| !after.starts_with('='))
                {
                    received = format!("{before};rport={}{after}", from.port());
                }
                _ = write!(received, ";received={}", from.ip());
            }
            _ = write!(out, "Via: {received}\r\n");
        }
        let to = self.header("To").unwrap_or_default();
        let tag =
            if tag.is_empty() || !self.tag("To").is_empty() { String::new() } else { format!(";tag={tag}") };
        _ = write!(out, "From: {}\r\nTo: {to}{tag}\r\n", self.header("From").unwrap_or_default());
        for name in ["Call-ID", "CSeq"] {
            _ = write!(out, "{name}: {}\r\n", self.header(name).unwrap_or_default());
        }
        if status.starts_with('2') {
            self.all("Record-Route").for_each(|route| _ = write!(out, "Record-Route: {route}\r\n"));
        }
        _ = write!(out, "{more}Content-Length: {}\r\n\r\n{body}", body.len());
        out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:srs@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n\
        v: SIP/2.0/UDP 192.0.2.9\r\nf: <sip:a@h>;tag=x\r\nTo: <sip:b@h>\r\ni: 1\r\nCSeq: 7 INVITE\r\n\
        Require: siprec, foo\r\nContent-Type: multipart/mixed;boundary=\"b b\"\r\nContent-Length: 5\r\n\r\n\
        --b b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b b--\r\n";

    #[test]
    fn reads_and_answers() {
        let request = Request::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(
            (request.method, request.cseq(), request.tag("From"), request.tag("To")),
            ("INVITE", 7, "x", "")
        );
        assert!(request.is_recording());
        assert_eq!(request.description(), Some("v=0\r\n"));
        assert_eq!(request.tags("Require").collect::<Vec<_>>(), ["siprec", "foo"]);
        let from: SocketAddr = "192.0.2.7:1234".parse().unwrap();
        assert_eq!(request.reply_to(from), from);
        let answer = String::from_utf8(request.respond("200 OK", "t", from, "", "")).unwrap();
        assert!(
            answer
                .contains("branch=z9hG4bK1;rport=1234;received=192.0.2.7\r\nVia: SIP/2.0/UDP 192.0.2.9\r\n"),
            "{answer}"
        );
        assert!(answer.contains("To: <sip:b@h>;tag=t\r\n"));
        let plain = INVITE.replace(";rport", "");
        let request = Request::parse(plain.as_bytes()).unwrap();
        assert_eq!(request.reply_to(from).port(), 5070);
    }

    #[test]
    fn frames_of_a_stream() {
        let whole = INVITE.find("\r\n\r\n").unwrap() + 4 + 5;
        assert_eq!(frame(INVITE.as_bytes()), Ok(Some(whole)));
        assert_eq!(frame(&INVITE.as_bytes()[..whole - 1]), Ok(None));
        assert_eq!(frame(b"INVITE x SIP/2.0\r\n\r\n"), Err(()));
        assert_eq!(frame(b"X\r\nl: 99999999999999999999\r\n\r\n"), Err(()));
    }

    proptest::proptest! {
        #[test]
        fn any_octets(octets: Vec<u8>, cut in 0..INVITE.len()) {
            let damaged = [&INVITE.as_bytes()[..cut], &octets].concat();
            _ = frame(&damaged);
            if let Some(request) = Request::parse(&damaged) {
                _ = (request.description(), request.is_recording(), request.tag("To"));
                _ = request.respond("200 OK", "t", "192.0.2.7:1".parse().unwrap(), "", "");
            }
        }
    }
}
