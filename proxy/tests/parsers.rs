//! What passes the strict reader means the same to every parser behind it: to `serde_json`, to
//! Python's and to Node's, which differ in what they take and in what they make of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test that panics or overflows fails; its figures are printed"
)]

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use bauta_proxy::{
    admit::{Limits, admit},
    read::{Asked, read},
};
use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

/// Bodies in the fast tier; `BAUTA_TEST_BODIES` asks for more.
const BODIES: usize = 4_000;
/// Bodies that a parser is given at once.
const BATCH: usize = 20_000;

#[test]
fn jsn_13_what_passes_means_the_same_to_every_parser() {
    let bodies = std::env::var("BAUTA_TEST_BODIES").map_or(BODIES, |n| n.parse().unwrap());
    let seed = std::env::var("BAUTA_TEST_SEED").map_or(1, |n| n.parse().unwrap());
    let mut lots = Lots(seed | 1);
    let (mut passed, mut differ) = (0, 0);

    let mut left = bodies;
    while left > 0 {
        let batch: Vec<Vec<u8>> = (0..left.min(BATCH)).map(|_| body(&mut lots)).collect();
        left -= batch.len();
        let python = parser("BAUTA_TEST_PYTHON", "python3", "read.py", &batch);
        let node = parser("BAUTA_TEST_NODE", "node", "read.mjs", &batch);
        for (n, bytes) in batch.iter().enumerate() {
            let theirs = [&rust(bytes), &python[n], &node[n]];
            differ += usize::from(theirs[0] != theirs[1] || theirs[1] != theirs[2]);
            let Some(asked) = ask(bytes) else { continue };
            passed += 1;
            let ours = json!([
                asked.model().as_str(),
                asked.stream(),
                asked.max_output_tokens(),
            ]);
            for (parser, told) in ["serde_json", "Python", "Node"].iter().zip(theirs) {
                let shown = String::from_utf8_lossy(bytes);
                assert_eq!(usual(told), ours, "{parser} of {shown}");
            }
        }
    }

    println!("{bodies} bodies: {passed} pass, and {differ} mean something else to one of three");
    // Else nothing was tried.
    assert!(
        passed * 10 > bodies && passed * 10 < bodies * 9,
        "{passed} of {bodies}"
    );
    assert!(differ * 200 > bodies, "{differ} of {bodies}");
}

fn ask(bytes: &[u8]) -> Option<Asked> {
    let request = Request::post("/v1/messages")
        .header(header::AUTHORIZATION, "Bearer a")
        .header(header::CONTENT_TYPE, "application/json")
        .body(())
        .unwrap();
    let head = admit(&request.into_parts().0, &Limits::default()).unwrap();
    read(head.split().1, Bytes::copy_from_slice(bytes)).ok()
}

fn rust(bytes: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(body)) => ["model", "stream", "max_tokens"]
            .map(|key| body.get(key).cloned().unwrap_or_default())
            .into_iter()
            .collect(),
        _ => Value::Null,
    }
}

/// What is left out, null or a limit of nothing means the same to a provider as to us.
fn usual(told: &Value) -> Value {
    let stream = told[1].as_bool().or(told[1].is_null().then_some(false));
    let most = if told[2] == json!(0) {
        &Value::Null
    } else {
        &told[2]
    };
    json!([told[0], stream, most])
}

/// What a parser reads in each body.
fn parser(variable: &str, fallback: &str, script: &str, bodies: &[Vec<u8>]) -> Vec<Value> {
    let program = std::env::var(variable).unwrap_or_else(|_| fallback.to_owned());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parsers/");
    let mut child = Command::new(program)
        .arg(format!("{folder}{script}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("no parser to compare with; ./tests/run installs them");
    let mut lines = String::new();
    for body in bodies {
        for byte in body {
            write!(lines, "{byte:02x}").unwrap();
        }
        lines.push('\n');
    }
    let mut input = child.stdin.take().unwrap();
    let giving = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let said = child.wait_with_output().unwrap();
    giving.join().unwrap();
    assert!(said.status.success(), "{script} failed");
    let told: Vec<Value> = String::from_utf8(said.stdout)
        .unwrap()
        .lines()
        // Half a surrogate pair is a text to them, and none to Rust.
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!("half a letter")))
        .collect();
    assert_eq!(told.len(), bodies.len(), "{script}");
    told
}

/// A body that is good or nearly so: members in any order and spelling, and some damage.
fn body(lots: &mut Lots) -> Vec<u8> {
    let mut members = vec![
        format!("\"model\":{}", lots.mostly(&MODELS.1, MODELS.0)),
        format!("\"messages\":{}", lots.mostly(&FREE.1, FREE.0)),
    ];
    for (key, good, values) in [
        ("stream", STREAMS.0, &STREAMS.1[..]),
        ("max_tokens", LIMITS.0, &LIMITS.1[..]),
    ] {
        if lots.below(3) > 0 {
            members.push(format!("\"{key}\":{}", lots.mostly(values, good)));
        }
    }
    if lots.below(4) == 0 {
        members.push(format!(
            "{}:{}",
            lots.mostly(&KEYS.1, KEYS.0),
            lots.mostly(&FREE.1, FREE.0)
        ));
    }
    let turn = lots.below(members.len());
    members.rotate_left(turn);
    let blank = lots.mostly(&BLANKS.1, BLANKS.0);
    let mut bytes = format!("{{{}}}", members.join(&format!(",{blank}"))).into_bytes();
    if lots.below(3) == 0 {
        let at = lots.below(bytes.len());
        match lots.below(4) {
            0 => bytes[at] = lots.one(&DAMAGE)[0],
            1 => bytes.insert(at, lots.one(&DAMAGE)[0]),
            2 => drop(bytes.remove(at)),
            _ => bytes
                .splice(0..0, lots.one(&AROUND).iter().copied())
                .for_each(drop),
        }
    }
    bytes
}

/// Of each list the first ones, as many as its number says, are good.
const MODELS: (usize, [&str; 7]) = (
    3,
    [
        "\"claude-opus\"",
        "\"cl\\u0061ude-opus\"",
        "\"claude\\u002dopus\"",
        "\"claude\\ud83d\"",
        "\"\\ud83d\\ude00\"",
        "null",
        "[\"claude-opus\"]",
    ],
);
const STREAMS: (usize, [&str; 6]) = (2, ["true", "false", "null", "1", "\"true\"", "True"]);
const LIMITS: (usize, [&str; 16]) = (
    5,
    [
        "1",
        "0",
        "4096",
        "4294967295",
        "null",
        "4294967296",
        "-1",
        "-0",
        "01",
        "1.0",
        "1e2",
        "1E400",
        "NaN",
        "Infinity",
        "\"5\"",
        "18446744073709551616",
    ],
);
const FREE: (usize, [&str; 12]) = (
    6,
    [
        "[]",
        "[{\"role\":\"user\",\"content\":\"hi\"}]",
        "{\"a\":{\"a\":{\"a\":[[[]]]}}}",
        "\"\\u0000\"",
        "\"é\u{1f600}\u{2028}\"",
        "{\"model\":\"other\",\"stream\":true}",
        "\"\\ud800\"",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "1e309",
        "-0.0e-0",
        "NaN",
    ],
);
const KEYS: (usize, [&str; 10]) = (
    2,
    [
        "\"x\"",
        "\"\"",
        "\"model\"",
        "\"mod\\u0065l\"",
        "\"Model\"",
        "\"STREAM\"",
        "\"max_to\\u212aens\"",
        "\"max_tokens\"",
        "'x'",
        "x",
    ],
);
const BLANKS: (usize, [&str; 8]) = (
    3,
    ["", " ", "\n\t\r ", "/**/", "//\n", ",", "\u{b}", "\u{a0}"],
);
const DAMAGE: [&[u8]; 12] = [
    b"\0", b"\"", b"\\", b",", b"{", b"}", b"]", b"\xff", b"\xc0", b"'", b" ", b"\x1f",
];
const AROUND: [&[u8]; 6] = [b"\xef\xbb\xbf", b"{}", b"[", b" \n", b"\0", b"/* */"];

/// Numbers that repeat themselves (xorshift64).
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    /// One of the first `good`, and now and then any.
    fn mostly<'a>(&mut self, of: &[&'a str], good: usize) -> &'a str {
        let end = if self.below(6) > 0 { good } else { of.len() };
        of[self.below(end)]
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}
