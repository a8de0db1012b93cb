//! Streams as the providers document them, each in a file with where it is from and what it comes
//! to, replayed cut at every byte: through the count, and through the whole plane.

use std::sync::LazyLock;

use bauta_token::scope::ModelName;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::*;
use crate::{
    admit::Route,
    dialect::{Ending, Tally, Total, Usage},
    forward::Credential,
    kit::{name, parts},
    ports::Tokens,
};

#[test]
fn every_stream_comes_to_what_its_file_says() {
    for stream in all() {
        let total = stream.counted(&stream.bytes, stream.bytes.len());

        assert_eq!(total.usage, stream.usage, "{}", stream.file);
        assert_eq!(total.ending, stream.ending, "{}", stream.file);
        assert_eq!(total.told_input, stream.told, "{}", stream.file);
        let told = stream.told && stream.ending == Ending::Complete && stream.usage.output > 0;
        assert_eq!(total.told_output, told, "{}", stream.file);
    }
}

#[test]
fn every_stream_is_counted_alike_cut_at_any_byte_and_with_any_line_ends() {
    for stream in all() {
        for ends in ["\n", "\r\n", "\r"] {
            let bytes = stream.with_line_ends(ends);
            let whole = stream.counted(&bytes, bytes.len());
            assert_eq!(whole.usage, stream.usage, "{} {ends:?}", stream.file);
            for cut in 0..bytes.len() {
                let total = stream.counted(&bytes, cut);
                assert_eq!(total, whole, "{} {ends:?} at {cut}", stream.file);
            }
            let mut tally = stream.tally();
            for byte in &bytes {
                tally.feed(&[*byte]);
            }
            assert_eq!(tally.total(), whole, "{} {ends:?} by the byte", stream.file);
        }
    }
}

#[test]
fn sse_04_no_beginning_of_a_stream_passes_for_the_whole() {
    for stream in all() {
        let bytes = stream.with_line_ends("\n");
        let text = std::str::from_utf8(&bytes).unwrap();
        // An event has come when the line that ends it has.
        let last = text.trim_end().len();
        for cut in 0..last {
            let total = stream.counted(&bytes[..cut], cut);
            assert_eq!(total.ending, Ending::Truncated, "{} at {cut}", stream.file);
            assert!(!total.told_output, "{} at {cut}", stream.file);
        }
    }
}

#[tokio::test]
async fn anthropic_streams_pass_the_plane_alike_cut_at_any_byte() {
    replay("/v1/messages").await;
}

#[tokio::test]
async fn openai_chat_streams_pass_the_plane_alike_cut_at_any_byte() {
    replay("/v1/chat/completions").await;
}

#[tokio::test]
async fn openai_responses_streams_pass_the_plane_alike_cut_at_any_byte() {
    replay("/v1/responses").await;
}

#[tokio::test]
async fn gemini_streams_pass_the_plane_alike_cut_at_any_byte() {
    replay("/v1beta/models/gemini:streamGenerateContent?alt=sse").await;
}

#[tokio::test]
async fn sse_06_who_leaves_at_any_byte_takes_the_upstream_with_them_and_pays_for_what_came() {
    let all = all();
    let stream = all.iter().find(|it| it.file == "anthropic-thinking-cache");
    let stream = stream.unwrap();
    let text = std::str::from_utf8(&stream.bytes).unwrap();
    // The end is told in the last event: until then there is something to leave.
    let last = text.rfind("event: message_stop").unwrap();
    let cuts: Vec<usize> = (1..=last).collect();
    for some in cuts.chunks(128) {
        let plane = Plane::open().await;
        for cut in some {
            let begun = format!("{STREAM}{}", &text[..*cut]);
            plane.kit.main.will(Does::Waits(begun));
            let mut body = plane.kit.send(stream.request()).await.into_body();
            let mut came = 0;
            while came < *cut {
                let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
                came += data.len();
            }
            drop(body);
            plane.kit.main.left().await;
        }
        for row in plane.kit.closed(some.len()).await {
            let ended = row.ended.unwrap();
            assert_eq!(ended.outcome, "client_gone");
            assert!(ended.charged > Some(0) && ended.charged <= Some(row.held));
        }
    }
    assert!(cuts.len() > 1_500, "{}", cuts.len());
}

/// Sends each stream of `path` once for each of its bytes, and once whole.
async fn replay(path: &str) {
    let mut sent = 0;
    for stream in all().iter().filter(|stream| stream.path() == path) {
        // The journal of the kit is a list; a new one now and then keeps it short. An upstream that
        // breaks off five times in a row is left alone for a while.
        let cuts: Vec<usize> = (0..=stream.bytes.len()).collect();
        let breaks_off = matches!(stream.ending, Ending::Truncated);
        for some in cuts.chunks(if breaks_off { 4 } else { 128 }) {
            let plane = Plane::open().await;
            for cut in some {
                plane.relays(stream, *cut).await;
                sent = usize::strict_add(sent, 1);
            }
            plane.settled(stream, some.len()).await;
        }
    }
    assert!(sent > 1_000, "{sent}");
}

/// A gateway that speaks every dialect and sets no limits.
struct Plane {
    kit: Kit,
}

impl Plane {
    async fn open() -> Self {
        let kit = Kit::new().await;
        let mut parts = parts(
            &kit.clock,
            &kit.told,
            &kit.tasks,
            &kit.book,
            &kit.main.url,
            &kit.local.url,
        );
        let url = &kit.main.url;
        let openai =
            format!("{{\"name\":\"openai\",\"dialect\":\"openai\",\"base_url\":\"{url}\"}}");
        parts.upstreams.push(serde_json::from_str(&openai).unwrap());
        let gpt = "{\"name\":\"gpt\",\"targets\":[{\"upstream\":\"openai\",\"model\":\"gpt-5.2\"}],\
             \"price\":{\"input\":\"1.75\",\"output\":\"14.00\",\"cache_read\":\"0.175\"}}";
        parts.models.push(serde_json::from_str(gpt).unwrap());
        let key = Credential::new("sk-ours").unwrap();
        parts.credentials.insert(name("openai"), vec![key]);
        // A manifest is newer than the one before it.
        kit.clock.advance(1_000);
        kit.told.publish(|published| {
            let scope = &mut published.scopes[0];
            scope.models.push(ModelName::parse("gpt").unwrap());
            (scope.budget, scope.rate) = (None, None);
        });
        kit.gateway.close();
        let gateway = Gateway::open(parts).await.unwrap();
        gateway.follow().await.unwrap();
        Self {
            kit: Kit { gateway, ..kit },
        }
    }

    /// Relays `stream` in two parts, the second of which is sent when the first has arrived.
    async fn relays(&self, stream: &Stream, cut: usize) {
        let (say, pieces) = mpsc::channel(3);
        self.kit.main.will(Does::Writes(pieces));
        let (one, two) = stream.bytes.split_at(cut);
        say.send(Bytes::from_static(STREAM.as_bytes()))
            .await
            .unwrap();
        say.send(Bytes::copy_from_slice(one)).await.unwrap();

        let response = self.kit.send(stream.request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", stream.file);
        let mut body = response.into_body();
        let mut came = Vec::new();
        while came.len() < cut {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            came.extend_from_slice(&data);
        }
        assert_eq!(came, one, "{} cut at {cut}", stream.file);
        say.send(Bytes::copy_from_slice(two)).await.unwrap();
        drop(say);
        came.extend_from_slice(&body.collect().await.unwrap().to_bytes());

        let rest = came.strip_prefix(&*stream.bytes);
        let rest = rest.unwrap_or_else(|| panic!("{} cut at {cut} came out changed", stream.file));
        if stream.ending == Ending::Truncated {
            // Never dressed as complete: what the caller's client raises comes after it.
            let told = std::str::from_utf8(rest).unwrap();
            assert!(told.contains("data: {"), "{}: {told}", stream.file);
            assert!(told.contains("\"message\":"), "{}: {told}", stream.file);
            assert!(told.ends_with("\n\n"), "{}: {told}", stream.file);
        } else {
            assert!(rest.is_empty(), "{} cut at {cut}: {rest:?}", stream.file);
        }
    }

    /// All of them are on record alike, with what was counted.
    async fn settled(&self, stream: &Stream, times: usize) {
        let rows = self.kit.closed(times).await;
        assert_eq!(rows.len(), times);
        let outcome = match stream.ending {
            Ending::Truncated => "upstream_truncated",
            // The provider told the failure, and what it told was relayed to its end.
            _ => "completed",
        };
        let usage = stream.usage;
        let tokens = Tokens {
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write.strict_add(usage.cache_write_hour),
        };
        let first = rows[0].ended.clone().unwrap();
        for row in rows {
            let ended = row.ended.unwrap();
            assert_eq!(ended.outcome, outcome, "{}", stream.file);
            assert_eq!(ended.tokens, Some(tokens), "{}", stream.file);
            assert_eq!(ended.charged, first.charged, "{}", stream.file);
        }
        // What failed before it brought anything costs nothing.
        let brought = stream.told || stream.file != "openai-responses-error";
        assert_eq!(first.charged > Some(0), brought, "{}", stream.file);
    }
}

/// A file of `streams/`.
struct Stream {
    file: &'static str,
    route: &'static str,
    ending: Ending,
    usage: Usage,
    /// Whether the provider told a count of what it read.
    told: bool,
    bytes: Vec<u8>,
}

impl Stream {
    fn parse(file: &'static str, text: &'static str) -> Self {
        let (head, body) = text.split_once("---\n").expect(file);
        let line = |key: &str| {
            let mut lines = head.lines().filter_map(|line| line.strip_prefix("# "));
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        };
        assert!(
            line("from").is_some_and(|from| from.len() > 20),
            "{file} is from nowhere"
        );
        let counts = head.lines().find(|line| line.starts_with("# input: "));
        let number = |key: &str| -> u64 {
            let words: Vec<_> = counts.unwrap_or_default().split_whitespace().collect();
            let mut pairs = words.windows(2);
            let pair = pairs.find(|pair| pair[0].strip_suffix(':') == Some(key));
            pair.map_or(0, |pair| pair[1].parse().unwrap())
        };
        let told = line("told") != Some("nothing");
        assert_eq!(told, counts.is_some(), "{file}");
        let mut this = Self {
            file,
            route: line("route").expect(file),
            ending: match line("ends") {
                Some("complete") => Ending::Complete,
                Some("failed") => Ending::Failed,
                Some("truncated") => Ending::Truncated,
                other => panic!("{file} ends {other:?}"),
            },
            usage: Usage {
                input: number("input"),
                output: number("output"),
                cache_read: number("cache_read"),
                cache_write: number("cache_write"),
                cache_write_hour: number("cache_write_hour"),
            },
            told,
            bytes: body.as_bytes().to_vec(),
        };
        if line("line-ends") == Some("crlf") {
            this.bytes = this.with_line_ends("\r\n");
        }
        this
    }

    fn with_line_ends(&self, ends: &str) -> Vec<u8> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        text.replace("\r\n", "\n").replace('\n', ends).into_bytes()
    }

    fn route(&self) -> Route {
        match self.route {
            "messages" => Route::Messages,
            "chat" => Route::Chat,
            "responses" => Route::Responses,
            "gemini" => Route::StreamGenerateContent,
            other => panic!("{}: {other}", self.file),
        }
    }

    fn path(&self) -> &'static str {
        match self.route() {
            Route::Messages => "/v1/messages",
            Route::Chat => "/v1/chat/completions",
            Route::Responses => "/v1/responses",
            _ => "/v1beta/models/gemini:streamGenerateContent?alt=sse",
        }
    }

    fn request(&self) -> Request<Body> {
        let body = match self.route() {
            Route::Messages => ASK_STREAM,
            Route::Chat => {
                "{\"model\":\"gpt\",\"stream\":true,\"max_completion_tokens\":4000,\
                 \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
            }
            Route::Responses => "{\"model\":\"gpt\",\"stream\":true,\"input\":\"hi\"}",
            _ => "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]}",
        };
        Request::post(self.path())
            .header("authorization", format!("Bearer {}", *TOKEN))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(Body::from(body))
            .unwrap()
    }

    fn tally(&self) -> Tally {
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        Tally::new(self.route(), &headers)
    }

    fn counted(&self, bytes: &[u8], cut: usize) -> Total {
        let mut tally = self.tally();
        let (one, two) = bytes.split_at(cut);
        tally.feed(one);
        tally.feed(two);
        tally.total()
    }
}

/// Signed once: each replay is of thousands.
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    token(|claims| {
        let face = claims.psn[&name("local")].clone();
        claims.psn.insert(name("openai"), face);
    })
});

fn all() -> Vec<Stream> {
    FILES
        .iter()
        .map(|(file, text)| Stream::parse(file, text))
        .collect()
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("streams/", $name, ".sse")))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "anthropic-broken-line",
    "anthropic-no-stop",
    "anthropic-overloaded",
    "anthropic-text",
    "anthropic-thinking-cache",
    "anthropic-web-search",
    "gemini-blocked",
    "gemini-error",
    "gemini-no-finish",
    "gemini-thinking-cache",
    "gemini-two-candidates",
    "openai-chat-error",
    "openai-chat-no-done",
    "openai-chat-silent",
    "openai-chat-two-answers",
    "openai-chat-usage",
    "openai-responses-error",
    "openai-responses-failed",
    "openai-responses-incomplete",
    "openai-responses-no-end",
    "openai-responses-reasoning",
];
