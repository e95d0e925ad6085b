//! What connectivity probes say and hear: the fixtures of HTTP and TLS, one by one, in pieces of any
//! size, and both ways where there are two.

#[expect(dead_code, reason = "only `fixtures.rs` goes through all of them")]
mod fixture;

use fixture::load;
use gatelet_wire::http::{self, BODY_MAX, HEAD_MAX, LOCATION_MAX, Progress, Response, ResponseReader};
use gatelet_wire::tls::{Answer, CLIENT_HELLO_MAX, ClientHello, ServerHello, TLS_1_2, TLS_1_3};
use gatelet_wire::{BufferTooSmall, Malformed};
use proptest::collection::vec;
use proptest::prelude::*;

/// What `emit` writes: the same octets whatever was in the buffer, nothing behind them, and a clean
/// refusal of every shorter buffer.
fn emitted(emit: impl Fn(&mut [u8]) -> Result<usize, BufferTooSmall>) -> Vec<u8> {
    let mut buffer = [0xA5; 1024];
    let len = emit(&mut buffer).expect("fits");
    assert!(buffer[len..].iter().all(|octet| *octet == 0xA5), "wrote behind its length");
    for short in 0..len {
        assert_eq!(emit(&mut vec![0xA5; short]), Err(BufferTooSmall), "{short} of {len} octets");
    }
    buffer[..len].to_vec()
}

/// Reads a whole stream, `piece` octets at a time.
fn read(stream: &[u8], piece: usize) -> (ResponseReader, Result<Progress, Malformed>) {
    let mut reader = ResponseReader::new();
    for octets in stream.chunks(piece) {
        if reader.push(octets) != Ok(Progress::More) {
            break;
        }
    }
    let end = reader.close();
    (reader, end)
}

#[test]
fn a_get_is_the_fixture() {
    let get = |buffer: &mut [u8]| http::emit_get(buffer, "connect.rom.miui.com", "/generate_204");
    assert_eq!(emitted(get), load("http/get"));
}

#[test]
fn a_get_that_would_say_more_than_it_should_is_refused() {
    for (host, path) in [
        ("probe.example", "/ HTTP/1.1\r\nX:"),
        ("probe.example\r\nX: y", "/"),
        ("probe example", "/"),
        ("", "/"),
        ("probe.example", ""),
        ("probe.example", "nowhere"),
        ("probe.example", "/\u{fc}"),
    ] {
        assert_eq!(http::emit_get(&mut [0; 1024], host, path), Err(BufferTooSmall), "{host:?} {path:?}");
    }
}

const OK: Response<'static> = Response {
    status: 200,
    location: None,
    location_is_cut: false,
    is_encoded: false,
    body: b"",
    is_complete: true,
};

fn redirect(status: u16, location: &'static [u8], body: &'static [u8]) -> Response<'static> {
    Response { status, location: Some(location), body, ..OK }
}

#[test]
fn responses() {
    const SUCCESS: &[u8] = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n";
    let cut = load("http/location-cut");
    let cut: &'static [u8] = cut[30..30 + LOCATION_MAX].to_vec().leak();
    let cases = [
        ("no-content", Response { status: 204, ..OK }),
        ("no-reason", Response { body: b"success\n", ..OK }),
        ("success", Response { body: SUCCESS, ..OK }),
        ("chunked", Response { body: b"Microsoft Connect Test", ..OK }),
        ("chunked-over-length", Response { body: b"text", ..OK }),
        ("two-lengths", Response { body: b"page", ..OK }),
        ("cut-body", Response { body: b"Microsoft", is_complete: false, ..OK }),
        ("bare-line-feeds", Response { status: 404, body: b"not found", ..OK }),
        ("early-hints", Response { body: b"page", ..OK }),
        (
            "portal-302",
            redirect(302, b"http://portal.isp.test/login?url=http://captive.apple.com/", b"moved"),
        ),
        ("portal-307-https", redirect(307, b"https://login.isp.test:8443/", b"")),
        (
            "portal-511",
            Response {
                status: 511,
                body: b"<meta http-equiv='refresh' content='0; url=https://login.isp.test/'>",
                ..OK
            },
        ),
        (
            "portal-gzip",
            Response {
                is_encoded: true,
                body: b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x0b\x48\x2c\x2a\xc9\x4f\xce\x2c\x03\0\x9d\x2f\x5f\xd8",
                ..OK
            },
        ),
        ("empty-200", OK),
        ("location-cut", Response { location_is_cut: true, ..redirect(302, cut, b"") }),
        ("location-line-cut", redirect(302, b"/login", b"")),
    ];
    for (name, expected) in cases {
        let stream = load(&format!("http/{name}"));
        for piece in [1, 7, stream.len()] {
            let (reader, end) = read(&stream, piece);
            assert_eq!(end, Ok(Progress::Done), "{name} by {piece}");
            assert_eq!(reader.response(), Some(expected), "{name} by {piece}");
        }
    }
}

const MALFORMED_HTTP: [(&str, Malformed); 11] = [
    ("http-2", Malformed::StatusLine),
    ("garbage", Malformed::StatusLine),
    ("version", Malformed::StatusLine),
    ("status", Malformed::StatusLine),
    ("status-run-on", Malformed::StatusLine),
    ("status-too-small", Malformed::StatusLine),
    ("truncated", Malformed::Truncated),
    ("chunk-size", Malformed::ChunkSize),
    ("chunk-digit", Malformed::ChunkSize),
    ("chunk-huge", Malformed::ChunkSize),
    ("chunk-end", Malformed::ChunkSize),
];

#[test]
fn malformed_responses() {
    for (name, expected) in MALFORMED_HTTP {
        let stream = load(&format!("http/malformed-{name}"));
        for piece in [1, 7, stream.len()] {
            let (mut reader, end) = read(&stream, piece);
            assert_eq!(end, Err(expected), "{name} by {piece}");
            assert_eq!(reader.response(), None, "{name}");
            assert_eq!(reader.push(b"HTTP/1.1 204 No Content\r\n\r\n"), Err(expected), "an error is final");
        }
    }
}

#[test]
fn what_is_no_http_is_told_by_its_first_octet() {
    let mut reader = ResponseReader::new();
    assert_eq!(reader.push(b"h"), Err(Malformed::StatusLine));
    assert_eq!(ResponseReader::new().push(b"HTTP/1.1"), Ok(Progress::More));
}

#[test]
fn an_endless_body_is_read_no_further_than_its_first_octets() {
    for head in ["", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut reader = ResponseReader::new();
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
        assert_eq!(reader.push(head.as_bytes()), Ok(Progress::More));
        if head.contains("chunked") {
            assert_eq!(reader.push(b"fffff\r\n"), Ok(Progress::More));
        }
        assert_eq!(reader.push(&[b'x'; BODY_MAX - 1]), Ok(Progress::More));
        assert_eq!(reader.push(b"yz"), Ok(Progress::Done), "{head}");
        let response = reader.response().expect("done");
        assert_eq!((response.body.len(), response.is_complete), (BODY_MAX, false));
        assert_eq!(response.body[BODY_MAX - 1], b'y');
    }
}

#[test]
fn an_endless_head_is_given_up() {
    for line in [&b"X"[..], b"X: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"] {
        let mut reader = ResponseReader::new();
        assert_eq!(
            reader.push(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n"),
            Ok(Progress::More)
        );
        let mut taken = 48;
        let end = loop {
            match reader.push(line) {
                Ok(Progress::More) => taken += line.len(),
                end => break end,
            }
        };
        assert_eq!(end, Err(Malformed::HeadTooLong));
        assert!(taken <= HEAD_MAX, "{taken}");
    }
}

#[test]
fn a_head_may_be_followed_while_its_body_drips() {
    let mut reader = ResponseReader::new();
    assert_eq!(reader.push(b"HTTP/1.1 200 OK\r\n\r\n<ht"), Ok(Progress::More));
    assert_eq!(reader.response(), Some(Response { body: b"<ht", is_complete: false, ..OK }));
}

// ---- TLS

#[test]
fn client_hellos() {
    let hello =
        ClientHello { random: [0x11; 32], session_id: [0x22; 32], key_share: [0x33; 32], server_name: None };
    for (name, hello) in [
        ("client-hello", ClientHello { server_name: Some("probe.example"), ..hello }),
        ("client-hello-no-name", hello),
    ] {
        let octets = load(&format!("tls/{name}"));
        assert_eq!(emitted(|buffer| hello.emit(buffer)), octets, "{name}");
        assert_eq!(ClientHello::parse(&octets), Ok(hello), "{name}");
        for cut in 0..octets.len() {
            assert!(ClientHello::parse(&octets[..cut]).is_err(), "{name} cut to {cut}");
        }
    }
    let (longest, too_long) = ("x".repeat(253), "x".repeat(254));
    let named = |server_name| ClientHello { server_name: Some(server_name), ..hello };
    assert!(named(&longest).emit(&mut [0; CLIENT_HELLO_MAX]).is_ok());
    assert_eq!(named(&too_long).emit(&mut [0; 1024]), Err(BufferTooSmall));
    assert_eq!(named("").emit(&mut [0; 1024]), Err(BufferTooSmall));
    let cut = load("tls/malformed-client-hello-cut");
    assert_eq!(ClientHello::parse(&cut), Err(Malformed::FieldLength));
}

#[test]
fn server_answers() {
    let hello = |version, cipher_suite, session_id| (version, cipher_suite, session_id);
    let echoed = [0x22; 32];
    let cases = [
        ("server-hello-tls13", hello(TLS_1_3, 0x1302, Some(echoed))),
        ("server-hello-tls12", hello(TLS_1_2, 0xC02F, None)),
        ("server-hello-no-extensions", hello(TLS_1_2, 0x002F, None)),
        ("hello-retry-request", hello(TLS_1_3, 0x1301, Some(echoed))),
    ];
    for (name, (version, cipher_suite, session_id)) in cases {
        let octets = load(&format!("tls/{name}"));
        let Ok(Some(Answer::ServerHello(read))) = Answer::parse(&octets) else { panic!("{name}") };
        assert_eq!(
            (read.version, read.cipher_suite, read.session_id.len()),
            (version, cipher_suite, 32),
            "{name}"
        );
        assert_eq!(read.random[..], octets[11..43], "{name}");
        assert!(session_id.is_none_or(|expected| read.session_id == expected), "{name}");

        // Its extensions are not kept, but for the version; what is kept comes back.
        let written = emitted(|buffer| Answer::ServerHello(read).emit(buffer));
        assert_eq!(Answer::parse(&written), Ok(Some(Answer::ServerHello(read))), "{name}");
        if name == "server-hello-no-extensions" {
            assert_eq!(written, octets);
        }
        let message_end = 5 + usize::from(u16::from_be_bytes([octets[3], octets[4]]));
        for cut in 0..message_end {
            assert_eq!(Answer::parse(&octets[..cut]), Ok(None), "{name} cut to {cut}");
        }
        assert!(matches!(Answer::parse(&octets[..message_end]), Ok(Some(_))), "{name}");
    }
    let octets = load("tls/alert-handshake-failure");
    let alert = Answer::Alert { level: 2, description: 40 };
    assert_eq!(Answer::parse(&octets), Ok(Some(alert)));
    assert_eq!(emitted(|buffer| alert.emit(buffer)), octets);
}

const MALFORMED_TLS: [(&str, Malformed); 12] = [
    ("http", Malformed::NotTls),
    ("major-version", Malformed::NotTls),
    ("application-data", Malformed::NotTls),
    ("empty-record", Malformed::NotTls),
    ("long-record", Malformed::NotTls),
    ("alert-length", Malformed::NotTls),
    ("certificate-first", Malformed::NotTls),
    ("short-record", Malformed::LengthOverrun),
    ("overrun", Malformed::LengthOverrun),
    ("session-id", Malformed::FieldLength),
    ("selected-version", Malformed::FieldLength),
    ("foreign-version", Malformed::NotTls),
];

#[test]
fn malformed_server_answers() {
    for (name, expected) in MALFORMED_TLS {
        assert_eq!(Answer::parse(&load(&format!("tls/malformed-{name}"))), Err(expected), "{name}");
    }
    assert_eq!(Answer::parse(b"H"), Err(Malformed::NotTls), "told by the first octet");
    let long = [&[22, 3, 3, 0x10, 0, 2, 0, 0x0F, 0xFC][..], &[0; 512]].concat();
    assert_eq!(Answer::parse(&long), Err(Malformed::LengthOverrun), "longer than is read");
}

proptest! {
    /// However a stream is cut into pieces, it says the same.
    #[test]
    fn pieces_make_no_difference(
        head in prop_oneof![
            Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.1 302 Found\r\nLocation: "),
            Just("HTTP/1.0 200\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Just("HTTP/1.1 103\r\n\r\nHTTP/1."),
            Just(""),
        ],
        tail in vec(any::<u8>(), 0..300),
        piece in 1_usize..40,
    ) {
        let stream = [head.as_bytes(), &tail].concat();
        let (whole, whole_end) = read(&stream, stream.len().max(1));
        let (parts, parts_end) = read(&stream, piece);
        prop_assert_eq!(whole_end, parts_end);
        prop_assert_eq!(whole.response(), parts.response());
    }

    #[test]
    fn client_hellos_come_back(random: [u8; 32], session_id: [u8; 32], key_share: [u8; 32], name in "[a-z.]{1,253}") {
        let hello = ClientHello { random, session_id, key_share, server_name: Some(&name) };
        let octets = emitted(|buffer| hello.emit(buffer));
        prop_assert_eq!(ClientHello::parse(&octets), Ok(hello));
    }

    #[test]
    fn server_answers_come_back(
        random: [u8; 32],
        session_id in vec(any::<u8>(), 0..=32),
        cipher_suite: u16,
        version in prop_oneof![Just(TLS_1_3), Just(TLS_1_2), Just(0x0301)],
    ) {
        let answer = Answer::ServerHello(ServerHello { version, random, session_id: &session_id, cipher_suite });
        let octets = emitted(|buffer| answer.emit(buffer));
        prop_assert_eq!(Answer::parse(&octets), Ok(Some(answer)));
    }

    #[test]
    fn no_input_panics(octets in vec(any::<u8>(), 0..600)) {
        let _ = Answer::parse(&octets);
        let _ = Answer::parse(&[&[22, 3, 3, 0, 90, 2, 0, 0, 80][..], &octets].concat());
        let _ = ClientHello::parse(&octets);
    }
}
