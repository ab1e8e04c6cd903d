//! A subscriber is followed by the address that the network gave it.

use super::*;

/// One UDP datagram over IPv4 without link layer.
fn datagram(src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16, payload: &[u8]) -> Vec<u8> {
    let length = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    let head = [&[0x45, 0][..], &length(payload.len() + 28), &[0, 0, 0x40, 0, 64, 17, 0, 0], &src, &dst];
    let udp = [&sport.to_be_bytes()[..], &dport.to_be_bytes(), &length(payload.len() + 8), &[0, 0]];
    [&head.concat()[..], &udp.concat(), payload].concat()
}

const HOME: [u8; 4] = [10, 0, 0, 1];

fn lookup(src: [u8; 4], port: u16) -> Vec<u8> {
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
    datagram(src, port, [192, 0, 2, 53], 53, query)
}

fn accounting(id: u8, status: u8, session: &str, user: &str) -> Vec<u8> {
    let attributes: [(u8, &[u8]); 4] =
        [(40, &[0, 0, 0, status]), (44, session.as_bytes()), (1, user.as_bytes()), (8, &HOME)];
    let packet = crate::decode::radius::tests::packet(4, id, &attributes);
    datagram([192, 0, 2, 10], 40000, [192, 0, 2, 20], 1813, &packet)
}

fn run(point: &mut Point, packets: &[(i64, Vec<u8>)]) -> Vec<Product> {
    for (seconds, octets) in packets {
        let packet =
            Packet { ts: at(*seconds), link: LinkType::RAW, data: octets, wire_len: octets.len() as u32 };
        point.handle(&packet);
    }
    point.finish();
    std::iter::from_fn(|| point.poll()).collect()
}

fn admitted(targets: &Value, product: &str) -> Point {
    let mut point = Point::new(Config::parse(config().to_string().as_bytes()).expect("config"));
    let document = warrant("T-1", "intercept", &json!({"targets": targets, "product": product}));
    point.admit(bundle(&document).to_string().as_bytes(), at(0), Resume::default()).expect("admitted");
    point
}

fn told(product: &[Product]) -> Vec<(&'static str, &'static str, &'static str, i64)> {
    let iri = product.iter().filter_map(|p| match p {
        Product::Iri(iri) => Some(iri),
        _ => None,
    });
    iri.map(|i| {
        let matched = i.matched.map_or("", Role::name);
        (i.service.name(), i.facts.event, matched, i.ts.since(at(0)) / 1_000_000_000)
    })
    .collect()
}

#[test]
fn p59_a_subscriber_is_followed_from_start_to_stop_and_not_a_packet_longer() {
    let mut point = admitted(&json!([{"type": "nai", "value": "target@ISP.example"}]), "IRIandCC");
    let product = run(
        &mut point,
        &[
            (0, lookup(HOME, 4000)),
            (1, accounting(1, 1, "s", "target@isp.example")),
            (2, lookup(HOME, 4001)),
            (3, lookup([10, 0, 0, 2], 4002)),
            (4, accounting(2, 2, "s", "target@isp.example")),
            (5, lookup(HOME, 4001)),
            (6, accounting(3, 1, "t", "stranger@isp.example")),
            (7, lookup(HOME, 4003)),
        ],
    );
    assert_eq!(
        told(&product),
        [
            ("access", "bound", "nai", 1),
            ("flow", "flow", "framed_address", 2),
            ("flow", "name", "framed_address", 2),
            ("access", "unbound", "nai", 4),
            ("flow", "unbound", "framed_address", 4),
        ]
    );
    let content: Vec<_> = product
        .iter()
        .filter_map(|p| match p {
            Product::Cc(cc) => Some((cc.ts.since(at(0)) / 1_000_000_000, cc.octets.0.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(content, [(2, lookup(HOME, 4001))]);
    assert!(product.iter().any(|p| matches!(p, Product::CallClosed(c) if c.signals == 1)));
}

#[test]
fn p25_an_address_that_was_given_to_another_is_not_followed() {
    let mut point = admitted(&json!([{"type": "nai", "value": "target"}]), "IRIandCC");
    let product = run(
        &mut point,
        &[
            (1, accounting(1, 1, "s", "target")),
            // The Stop was lost; the flow goes on, with another person behind it.
            (2, lookup(HOME, 4001)),
            (4, accounting(2, 1, "t", "stranger")),
            (5, lookup(HOME, 4001)),
            (6, accounting(3, 2, "s", "target")),
            (7, lookup(HOME, 4001)),
        ],
    );
    assert!(told(&product).iter().all(|(_, _, _, at)| *at <= 4));
    let content = product.iter().filter(|p| matches!(p, Product::Cc(_))).count();
    assert_eq!(content, 1);
}

#[test]
fn an_address_of_a_warrant_needs_no_assignment() {
    let mut point = admitted(&json!([{"type": "ipv4Address", "value": "10.0.0.1"}]), "IRI");
    let product = run(&mut point, &[(1, lookup(HOME, 4001)), (2, lookup([10, 0, 0, 2], 4002))]);
    let services: Vec<_> = told(&product).iter().map(|t| (t.0, t.1)).collect();
    assert_eq!(
        services,
        [
            ("access", "bound"),
            ("flow", "flow"),
            ("flow", "name"),
            ("flow", "flow_end"),
            ("access", "unbound"),
        ]
    );
    assert!(!product.iter().any(|p| matches!(p, Product::Cc(_) | Product::CallClosed(_))));
}

#[test]
fn nothing_of_an_address_is_released_outside_the_window() {
    let window = json!({"start": "2026-01-01T00:00:00Z", "end": "2026-06-01T07:46:45Z"});
    let mut point = Point::new(Config::parse(config().to_string().as_bytes()).expect("config"));
    let targets = json!([{"type": "nai", "value": "target"}]);
    let document =
        warrant("T-1", "intercept", &json!({"targets": targets, "product": "IRIandCC", "window": window}));
    point.admit(bundle(&document).to_string().as_bytes(), at(0), Resume::default()).expect("admitted");
    let end = 5;
    let product = run(
        &mut point,
        &[
            (1, accounting(1, 1, "s", "target")),
            (2, lookup(HOME, 4001)),
            (end, lookup(HOME, 4001)),
            (end + 1, lookup(HOME, 4002)),
            (end + 2, accounting(2, 2, "s", "target")),
        ],
    );
    assert!(told(&product).iter().all(|(_, _, _, at)| *at <= end), "{:?}", told(&product));
    assert_eq!(product.iter().filter(|p| matches!(p, Product::Cc(_))).count(), 1);
}
