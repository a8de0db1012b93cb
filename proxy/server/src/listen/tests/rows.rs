//! Raw requests of the threat catalogue, each with the status it has to get, judged by the scanner in
//! one piece, in two at every split, and byte by byte.

use super::super::refusal::Reason;
use super::super::scan::{Found, Scanner};
use super::limits;

/// Raw bytes and the status they get.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) status: u16,
}

/// What the scanner made of some bytes: how many heads it let through, and why it stopped.
pub(super) fn verdict<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (usize, Option<Reason>) {
    let hosts = limits().hosts;
    let (mut scanner, mut waiting, mut heads) = (Scanner::new(), Vec::new(), 0);
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let passed = scanner.pass(&waiting, &hosts);
            waiting.drain(..passed.bytes);
            match passed.found {
                Found::Nothing if passed.bytes == 0 => break,
                Found::Nothing => {}
                Found::Head { .. } => heads += 1,
                Found::Refused(reason) | Found::Broken(reason) => return (heads, Some(reason)),
            }
        }
    }
    (heads, None)
}

fn judged(row: &Row, how: &str, verdict: (usize, Option<Reason>)) {
    let status = verdict.1.map_or(200, |reason| reason.status().as_u16());
    let shown = row.bytes.get(..120).unwrap_or(&row.bytes);
    let shown = String::from_utf8_lossy(shown);
    assert_eq!(
        status, row.status,
        "{} {how}: {verdict:?} for {shown:?}",
        row.id
    );
}

fn judge(id: &str) {
    let rows: Vec<_> = rows().into_iter().filter(|row| row.id == id).collect();
    assert!(!rows.is_empty(), "no row {id}");
    for row in &rows {
        judged(row, "whole", verdict([row.bytes.as_slice()]));
        judged(row, "byte by byte", verdict(row.bytes.chunks(1)));
        // The long rows are all decided by a limit: look around those, and here and there.
        let every = if row.bytes.len() < 2000 { 1 } else { 61 };
        let near = [8191, 8192, 8193, 8223, 8224, 8225, 16383, 16384, 16385];
        let splits = (0..=row.bytes.len().min(40_000)).step_by(every).chain(near);
        for split in splits.filter(|at| *at <= row.bytes.len()) {
            let (first, second) = row.bytes.split_at(split);
            judged(row, &format!("split at {split}"), verdict([first, second]));
        }
    }
    println!("{id}: {} raw requests, each at every split", rows.len());
}

macro_rules! judged {
    ($($name:ident = $id:literal;)*) => { $(
        #[test]
        fn $name() {
            judge($id);
        }
    )* };
}

judged! {
    good_requests_pass = "good";
    h1_01_two_framings_are_refused = "H1-01";
    h1_02_a_coding_that_is_not_exactly_chunked_is_refused = "H1-02";
    h1_03_a_length_that_is_not_one_number_is_refused = "H1-03";
    h1_04_an_obscured_transfer_encoding_is_refused = "H1-04";
    h1_05_a_line_that_does_not_end_in_crlf_is_refused = "H1-05";
    h1_06_loose_chunks_are_refused = "H1-06";
    h1_10_an_expectation_is_100_continue_or_refused = "H1-10";
    h1_11_a_body_where_none_belongs_is_refused = "H1-11";
    h1_13_a_host_is_one_of_ours_or_refused = "H1-13";
    h1_14_a_target_with_an_authority_is_refused = "H1-14";
    h1_15_a_method_is_served_or_refused = "H1-15";
    h1_16_a_version_is_1_1_or_refused = "H1-16";
    h1_17_a_head_over_a_limit_is_refused = "H1-17";
    url_01_dot_segments_are_refused = "URL-01";
    url_02_disguised_dot_segments_are_refused = "URL-02";
    url_04_bytes_that_are_not_text_are_refused = "URL-04";
    url_05_an_empty_segment_is_not_found = "URL-05";
    hdr_01_an_underscore_passes_the_scanner_and_is_taken_off_behind_it = "HDR-01";
    hdr_05_a_value_that_is_not_visible_is_refused = "HDR-05";
    jwt_24_two_credentials_are_refused = "JWT-24";
}

/// A `POST` with these fields beside `Host`, and this after the head.
fn post(fields: &str, after: &str) -> Vec<u8> {
    format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{fields}\r\n{after}").into_bytes()
}

/// A `GET` with these fields beside `Host`.
fn get(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes()
}

/// A `GET` of this target.
fn target(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

/// A `GET` from this host.
fn host(value: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n").into_bytes()
}

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |id, status, all: Vec<Vec<u8>>| {
        rows.extend(all.into_iter().map(|bytes| Row { id, bytes, status }));
    };
    add("good", 200, good());
    add("H1-01", 400, two_framings());
    add("H1-02", 400, codings());
    add("H1-03", 400, lengths());
    add("H1-04", 400, obscured());
    add("H1-05", 400, line_ends());
    add("H1-06", 400, chunks());
    add("H1-10", 417, expectations());
    add("H1-11", 400, unexpected_bodies());
    add("H1-13", 400, bad_hosts());
    add("H1-13", 421, other_hosts());
    add("H1-14", 400, authorities());
    add("H1-15", 405, methods());
    add("H1-15", 400, not_methods());
    add("H1-16", 505, versions());
    add("H1-16", 400, not_versions());
    add("H1-17", 431, large_heads());
    add("H1-17", 414, long_targets());
    add(
        "URL-01",
        400,
        [
            "/v1/../admin",
            "/v1/./x",
            "/..",
            "/.",
            "/v1/..",
            "/a/../../b",
            "/./",
            "/..;/a",
            "/.;x=1/a",
        ]
        .map(target)
        .to_vec(),
    );
    add("URL-02", 400, disguised().into_iter().map(target).collect());
    add("URL-04", 400, not_text());
    add(
        "URL-05",
        404,
        ["//evil/x", "//", "/v1//messages", "/v1/messages//", "///"]
            .map(target)
            .to_vec(),
    );
    add(
        "HDR-01",
        200,
        vec![
            get("X_Forwarded_For: 10.0.0.1\r\n"),
            get("_: 1\r\n"),
            get("session_id: 1\r\n"),
        ],
    );
    add("HDR-05", 400, values());
    add(
        "JWT-24",
        400,
        vec![
            get("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
            get("Authorization: Bearer a\r\nX: y\r\nauthorization: Bearer a\r\n"),
        ],
    );
    rows
}

fn good() -> Vec<Vec<u8>> {
    vec![
        get(""),
        target("/v1/models?limit=1000"),
        target(&format!("/{}", "a".repeat(8191))),
        filled(16 * 1024),
        get(&fields(63)),
        host("X"),
        host("x:8080"),
        host("[::1]:8080"),
        b"GET / HTTP/1.1\r\nHost:x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhOST:\t x \t\r\n\r\n".to_vec(),
        get("Empty:\r\nSpaces:   \r\n"),
        get("Content-Length: 0\r\n"),
        get("Authorization: Bearer a\r\nX-Api-Key: b\r\n"),
        get("TE: trailers\r\nConnection: keep-alive, TE\r\n"),
        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        post("Content-Length: 5\r\n", "hello"),
        post("Content-Length:\t5 \r\n", "hello"),
        post("Content-Length: 0005\r\n", "hello"),
        post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        // A tab is legal white space.
        post(
            "Transfer-Encoding:\tchunked\r\n",
            "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
        ),
        post("", ""),
        b"OPTIONS /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"DELETE /scim/v2/Users/1 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ]
}

fn two_framings() -> Vec<Vec<u8>> {
    let chunked = "0\r\n\r\n";
    vec![
        post(
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            chunked,
        ),
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            chunked,
        ),
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            chunked,
        ),
        post(
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            chunked,
        ),
        get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
    ]
}

fn codings() -> Vec<Vec<u8>> {
    [
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;q=1",
        "chunked ;a",
        "identity",
        "identity, chunked",
        "chunked, identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "Chunked",
        "CHUNKED",
        "chun ked",
        "",
        "chunked\tx",
        "deflate",
        "x-chunked",
    ]
    .map(|coding| post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"))
    .to_vec()
}

fn lengths() -> Vec<Vec<u8>> {
    let mut rows = [
        "+1",
        "0x1",
        "1_0",
        "-1",
        "18446744073709551616",
        "18446744073709551615",
        "",
        " ",
        "1,1",
        "1, 1",
        "1;",
        "1 1",
        "1.0",
        "1e1",
        "one",
        "\u{661}",
        "99999999999999999999999999",
        "0b1",
        "9223372036854775808",
    ]
    .map(|length| post(&format!("Content-Length: {length}\r\n"), "x"))
    .to_vec();
    rows.push(post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"));
    rows.push(post("Content-Length: 1\r\nContent-Length: 2\r\n", "xy"));
    rows.push(post("Content-Length: 0\r\ncontent-length: 0\r\n", ""));
    rows.push(get("Content-Length: 0\r\nContent-Length: 0\r\n"));
    rows
}

fn obscured() -> Vec<Vec<u8>> {
    let old = "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut rows = vec![old.as_bytes().to_vec()];
    rows.extend(
        [
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding\t: chunked\r\n",
            " Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Transfer-Encoding: chunked\x0b\r\n",
            "Transfer-Encoding: \x0cchunked\r\n",
            "Transfer-Encoding: chunked\0\r\n",
            "Transfer-Encoding\0: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
            "Content Length: 5\r\n",
            "Content-Length : 5\r\n",
            "Transfer-Encoding chunked\r\n",
            ": chunked\r\n",
            "Transfer\u{2010}Encoding: chunked\r\n",
        ]
        .map(|field| post(field, "0\r\n\r\n")),
    );
    rows
}

fn line_ends() -> Vec<Vec<u8>> {
    [
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\r\n",
        "GET / HTTP/1.1\rHost: x\r\r",
        "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\0A: b\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\0",
        "\r",
        // One good request does not excuse the next.
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\nHost: x\n\n",
    ]
    .map(|raw| raw.as_bytes().to_vec())
    .to_vec()
}

fn chunks() -> Vec<Vec<u8>> {
    [
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n-1\r\n\r\n",
        "5\r\nhello\r\nfffffffff\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ]
    .map(|body| post("Transfer-Encoding: chunked\r\n", body))
    .to_vec()
}

fn expectations() -> Vec<Vec<u8>> {
    let mut rows = [
        "200-ok",
        "100-Continue",
        "  100-continue",
        "\t100-continue",
        "100-continue ",
        "100-continue, x",
        "\"100-continue\"",
        "",
        "100 continue",
        "100-continue;q=1",
    ]
    .map(|value| post(&format!("Expect: {value}\r\nContent-Length: 5\r\n"), ""))
    .to_vec();
    let twice = "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    rows.push(post(twice, ""));
    rows.push(get("Expect: 200-ok\r\n"));
    // The body did not wait.
    rows.push(post(
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
        "hello",
    ));
    rows.push(post(
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
        "5",
    ));
    rows
}

fn unexpected_bodies() -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for body in [
            "Content-Length: 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            rows.push(format!("{method} / HTTP/1.1\r\nHost: x\r\n{body}").into_bytes());
        }
    }
    rows
}

fn bad_hosts() -> Vec<Vec<u8>> {
    let mut rows = [
        "",
        " ",
        "a b",
        "x/#@evil",
        "x/",
        "x#",
        "x?",
        "x\\",
        "u@x",
        "u:p@x",
        "x:99999",
        "x:0",
        "x:65536",
        "x:",
        "x:80:80",
        "x:+80",
        "x:8a",
        ":80",
        "[::1",
        "::1",
        "[::1]x",
        "[::1%25e]",
        "x,evil",
        "x, evil",
        "x;evil",
        "b\u{fc}cher",
        "x\u{7f}",
        "http://x",
        "x\tevil",
        "*",
        "x_y",
        "x%2eevil",
        "<x>",
    ]
    .map(host)
    .to_vec();
    rows.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    rows.push(b"GET / HTTP/1.1\r\nX: y\r\n\r\n".to_vec());
    rows.push(get("Host: x\r\n"));
    rows.push(get("host: evil\r\n"));
    rows.push(b"GET / HTTP/1.1\r\nHost: evil\r\nHost: x\r\n\r\n".to_vec());
    rows.push(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n".to_vec());
    rows
}

fn other_hosts() -> Vec<Vec<u8>> {
    [
        "evil",
        "x.evil",
        "evil.x",
        "x.",
        "[::1]",
        "[::1]:8081",
        "ai.example.com",
        "127.0.0.1:8080",
        "ai.example.com:80",
    ]
    .map(host)
    .to_vec()
}

fn authorities() -> Vec<Vec<u8>> {
    [
        "http://evil/",
        "http://x/",
        "https://x/",
        "http://u:p@x/",
        "http:/x",
        "x:443",
        "evil/x",
        "*",
        "?",
        "x",
        "u@x",
        "#",
        "/#",
        "/a#b",
        "/?#",
        "\\",
        "\\\\evil\\x",
        "HTTP://x/",
    ]
    .map(target)
    .to_vec()
}

fn methods() -> Vec<Vec<u8>> {
    let mut rows = [
        "CONNECT x:443",
        "CONNECT /",
        "TRACE /",
        "get /",
        "Get /",
        "post /",
        "FOO /",
        "GETS /",
        "PROPFIND /",
        "PRI *",
        "REFUSED /",
        "X /",
        "TRACK /",
        "POST_ /",
        "OPTIONSX /",
        "-GET /",
    ]
    .map(|start| format!("{start} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes())
    .to_vec();
    rows.push(vec![b'A'; 1 << 20]);
    rows.push(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec());
    rows
}

fn not_methods() -> Vec<Vec<u8>> {
    let mut rows = [
        " GET /",
        "GET\t/",
        "GET\0 /",
        "\x16\x03\x01",
        "G\u{c9}T /",
        "GET",
        "GET:",
        "\"GET\" /",
        "GET  /",
        "(GET) /",
    ]
    .map(|start| format!("{start} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes())
    .to_vec();
    rows.push(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec());
    rows
}

fn versions() -> Vec<Vec<u8>> {
    ["HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9"]
        .map(|version| format!("GET / {version}\r\nHost: x\r\n\r\n").into_bytes())
        .to_vec()
}

fn not_versions() -> Vec<Vec<u8>> {
    let mut rows = [
        "http/1.1",
        "HTTP/1",
        "HTTP/1.1 ",
        " HTTP/1.1",
        "HTTP/11",
        "HTTP/1.1x",
        "HTTP/01.1",
        "HTTP/1.10",
        "HTTPS/1.1",
        "",
        "HTTP/-1.1",
        "HTTP/1.1\t",
        "HTTP\\1.1",
        "x HTTP/1.1",
    ]
    .map(|version| format!("GET / {version}\r\nHost: x\r\n\r\n").into_bytes())
    .to_vec();
    // HTTP/0.9, and an old version without a host.
    rows.push(b"GET /\r\n".to_vec());
    rows.push(b"GET / HTTP/1.0\r\n\r\n".to_vec());
    rows
}

/// A good head of so many bytes.
fn filled(len: usize) -> Vec<u8> {
    let head = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    let fill = "a".repeat(len - head.len() - 4);
    format!("{head}{fill}\r\n\r\n").into_bytes()
}

/// So many fields.
fn fields(count: usize) -> String {
    let field = |n: usize| format!("X-{n}: y\r\n");
    (0..count).map(field).collect::<Vec<_>>().concat()
}

fn large_heads() -> Vec<Vec<u8>> {
    vec![
        get(&fields(64)),
        get(&fields(101)),
        get(&fields(10_000)),
        filled(16 * 1024 + 1),
        filled(16 * 1024 + 2),
        filled(300_000),
        get(&format!("X: {}", "a".repeat(20_000))),
        get(&format!("{}: y\r\n", "X".repeat(300_000))),
        get(&format!("X: {}\r\n", "y".repeat(1000)).repeat(20)),
        get(&"a".repeat(17_000)),
    ]
}

fn long_targets() -> Vec<Vec<u8>> {
    let mut rows = vec![
        target(&format!("/{}", "a".repeat(8192))),
        target(&format!("/?{}", "a".repeat(8191))),
        target(&format!("/{}", "a".repeat(70_000))),
        target(&format!("/{}", "a".repeat(1 << 20))),
        format!("GET /{}", "a".repeat(9000)).into_bytes(),
    ];
    rows.push(format!("OPTIONS /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(8192)).into_bytes());
    rows
}

fn disguised() -> Vec<&'static str> {
    vec![
        "/v1/%2e%2e/admin",
        "/v1/..%2fadmin",
        "/%2e%2e%2f",
        "/.%2E",
        "/%2E.",
        "/%252e%252e%252f",
        "/..%5c",
        "/..\\",
        "/a\\b",
        "/%2e",
        "/v1/%2e/x",
        "/v1%2fmessages",
        "/v1%5cmessages",
        "/%252f",
        "/%25%32%66",
        "/%2e%2e;x/a",
        "/..%252f",
        "/%c0%ae%c0%ae/",
        "/%c0%af",
        "/%3fx",
        "/%23x",
        "/v1/models/a%2Fb",
        "/%2F%2Fevil",
        "/%25",
    ]
}

fn not_text() -> Vec<Vec<u8>> {
    let mut rows = [
        "/%00",
        "/a%00b",
        "/%0d%0a",
        "/%0a",
        "/%0D",
        "/%ff",
        "/%80",
        "/%c3",
        "/%c3%28",
        "/%e2%82",
        "/%ed%a0%80",
        "/%f5%80%80%80",
        "/%",
        "/%z",
        "/%zz",
        "/%4",
        "/%0",
        "/%-1",
        "/% 1",
        "/%7f",
        "/%1b",
        "/%09",
        "/\u{e9}",
        "/\u{202e}",
        "/a\tb",
        "/a\x0bb",
        "/\x7f",
        "/\x1b[2J",
        "/\"",
        "/<a>",
        "/{a}",
        "/a|b",
        "/a^b",
        "/`a`",
        "/[a]",
        "/?%00",
        "/?%0d%0aX: y",
        "/?%zz",
        "/?%",
        "/?\u{e9}",
        "/?%ff",
        "/?\\",
        "/?\"",
        "/?<a>",
        "/?a=%c0%ae",
    ]
    .map(target)
    .to_vec();
    rows.push(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    rows.push(b"GET /?\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    rows.push(b"GET /\xc0\xae\xc0\xae/ HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    rows
}

fn values() -> Vec<Vec<u8>> {
    let mut rows: Vec<_> = (0..=0x1f)
        .filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'))
        .chain(0x7f..=0xff)
        .map(|byte| {
            let mut raw = b"GET / HTTP/1.1\r\nHost: x\r\nX: a".to_vec();
            raw.push(byte);
            raw.extend(b"b\r\n\r\n");
            raw
        })
        .collect();
    let tokens = b"!#$%&'*+-.^_`|~:";
    for byte in (0..=0xff_u8).filter(|byte| !byte.is_ascii_alphanumeric()) {
        if tokens.contains(&byte) || matches!(byte, b'\r' | b'\n') {
            continue;
        }
        let mut raw = b"GET / HTTP/1.1\r\nHost: x\r\nX".to_vec();
        raw.push(byte);
        raw.extend(b"Y: b\r\n\r\n");
        rows.push(raw);
    }
    rows
}
