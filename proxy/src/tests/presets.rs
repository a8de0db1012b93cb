//! The pieces of configuration in `deploy/upstreams`: each asks where and as its server documents,
//! and what such a server answers comes through, with its manners.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{ModelConfig, UpstreamConfig},
    dialect::Dialect,
    route::{Gravity, Models},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    upstream: Vec<UpstreamConfig>,
    model: Vec<ModelConfig>,
}

/// What a server is asked, and its manners.
struct Server {
    file: &'static str,
    /// Where it answers, by dialect.
    paths: &'static [(Dialect, &'static str)],
    /// Its models.
    models: &'static [&'static str],
    /// Whether it asks for a key.
    keyed: bool,
    /// In which field a chat request names the member.
    end_user: Option<&'static str>,
    /// What it sends before it begins: in a stream, and in a document.
    waits: (&'static str, &'static str),
    /// What it sends after the end of a Messages stream.
    after: &'static str,
}

const SERVERS: [Server; 7] = [
    Server {
        file: "deepseek",
        paths: &[
            (Dialect::Anthropic, "/anthropic/v1/messages"),
            (Dialect::OpenAi, "/v1/chat/completions"),
        ],
        models: &["deepseek-v4-pro"],
        keyed: true,
        end_user: Some("user"),
        waits: (": keep-alive\n\n: keep-alive\n\n", "\n\n\n"),
        after: "",
    },
    Server {
        file: "glm",
        paths: &[
            (Dialect::Anthropic, "/api/anthropic/v1/messages"),
            (Dialect::OpenAi, "/api/paas/v4/chat/completions"),
        ],
        models: &["glm-5.3"],
        keyed: true,
        end_user: Some("user"),
        waits: ("", ""),
        after: "",
    },
    Server {
        file: "qwen",
        paths: &[
            (Dialect::Anthropic, "/apps/anthropic/v1/messages"),
            (Dialect::OpenAi, "/compatible-mode/v1/chat/completions"),
        ],
        models: &["qwen3-max"],
        keyed: true,
        end_user: Some("user"),
        waits: ("", ""),
        after: "",
    },
    Server {
        file: "mistral",
        paths: &[(Dialect::OpenAi, "/v1/chat/completions")],
        models: &["mistral-large-4-0"],
        keyed: true,
        end_user: None,
        waits: ("", ""),
        after: "",
    },
    Server {
        file: "ollama",
        paths: LOCAL,
        models: &["llama3.3:70b", "mixtral:8x22b", "qwen3-coder:30b"],
        keyed: false,
        end_user: Some("safety_identifier"),
        waits: ("", ""),
        after: "",
    },
    Server {
        file: "vllm",
        paths: LOCAL,
        models: &[
            "meta-llama/Llama-3.3-70B-Instruct",
            "mistralai/Mixtral-8x22B-Instruct-v0.1",
            "Qwen/Qwen3-Coder-30B-A3B-Instruct",
        ],
        keyed: false,
        end_user: Some("safety_identifier"),
        waits: ("", ""),
        // It ends every stream as a chat ends.
        after: "data: [DONE]\n\n",
    },
    Server {
        file: "llama-server",
        paths: LOCAL,
        models: &["llama-3.3", "mixtral", "qwen3-coder"],
        keyed: false,
        end_user: Some("safety_identifier"),
        waits: ("", ""),
        after: "",
    },
];

const LOCAL: &[(Dialect, &str)] = &[
    (Dialect::Anthropic, "/v1/messages"),
    (Dialect::OpenAi, "/v1/chat/completions"),
];

const CHAT: &str = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\",\
    \"reasoning_content\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\
    \"completion_tokens\":20,\"prompt_cache_hit_tokens\":0}}";
const CHATTED: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":20}}\n\n\
    data: [DONE]\n\n";

#[tokio::test]
async fn every_preset_asks_where_its_server_answers_and_relays_what_it_says() {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| {
            std::path::Path::new(it)
                .extension()
                .is_some_and(|it| it == "toml")
        })
        .collect();
    files.sort();
    let mut tried: Vec<_> = SERVERS
        .iter()
        .map(|it| format!("{}.toml", it.file))
        .collect();
    tried.sort();
    assert_eq!(files, tried, "every preset is tried");

    for server in &SERVERS {
        let preset = read(server.file);
        let (_, notes) = Models::load(&preset.model, &preset.upstream).unwrap();
        // None of them is a fallback's fallback: that is all there is to note.
        assert!(notes.iter().all(|it| it.gravity == Gravity::Warning));
        assert_eq!(preset.model.len(), server.models.len());
        let world = World::of(preset).await;
        for (model, named) in world.models.iter().zip(server.models) {
            for (dialect, path) in server.paths {
                for stream in [false, true] {
                    world
                        .try_one(server, model, named, (*dialect, path), stream)
                        .await;
                }
            }
        }
    }
}

struct World {
    kit: Kit,
    models: Vec<String>,
    providers: Vec<String>,
}

impl World {
    /// The preset as it is, but for the host, which is a scripted server here.
    async fn of(preset: Preset) -> Self {
        let kit = Kit::new().await;
        let here = kit.main.url.clone();
        let mut parts = parts(&kit.clock, &kit.told, &kit.tasks, &kit.book, &here, &here);
        parts.credentials.clear();
        parts.upstreams = preset.upstream;
        for upstream in &mut parts.upstreams {
            let (_, rest) = upstream.base_url.split_once("://").unwrap();
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            upstream.base_url = format!("{here}{path}");
            if upstream.credential.is_some() {
                let ours = crate::forward::Credential::new("sk-ours").unwrap();
                parts.credentials.insert(upstream.name.clone(), vec![ours]);
            }
        }
        let providers = parts.upstreams.iter().map(|it| it.provider().to_string());
        let providers = providers.collect();
        parts.models = preset.model;
        let names: Vec<_> = parts.models.iter().map(|it| it.name.clone()).collect();
        let models = names.iter().map(ToString::to_string).collect();
        kit.clock.advance(1);
        kit.told.publish(|manifest| {
            manifest.scopes[0].models = names;
            manifest.scopes[0].budget = None;
        });
        let gateway = Gateway::open(parts).await.unwrap();
        gateway.follow().await.unwrap();
        Self {
            kit: Kit { gateway, ..kit },
            models,
            providers,
        }
    }

    async fn try_one(
        &self,
        server: &Server,
        model: &str,
        named: &str,
        (dialect, path): (Dialect, &str),
        stream: bool,
    ) {
        let what = format!("{} {model} {dialect:?} {stream}", server.file);
        let anthropic = dialect == Dialect::Anthropic;
        let said = match (anthropic, stream) {
            (true, false) => format!("{}{MESSAGE}", server.waits.1),
            (false, false) => format!("{}{CHAT}", server.waits.1),
            (true, true) => format!("{}{FIRST}{TEXT}{LAST}{}", server.waits.0, server.after),
            (false, true) => format!("{}{CHATTED}", server.waits.0),
        };
        self.kit.main.will(Does::Says(if stream {
            format!("{STREAM}{said}")
        } else {
            document("200 OK", &said)
        }));
        let before = self.kit.book.rows().len();

        let (head, body) = self.kit.get(self.ask(model, anthropic, stream)).await;

        assert_eq!((head.status, &body), (StatusCode::OK, &said), "{what}");
        let by = head.headers["bauta-served-by"].to_str().unwrap();
        assert!(by.ends_with(&format!("/{named}")), "{what}: {by}");
        let sent = self.kit.main.sent().remove(0);
        let line = format!("POST {path} HTTP/1.1");
        assert_eq!(sent.head.lines().next().unwrap(), line, "{what}");
        let key = match (server.keyed, anthropic) {
            (false, _) => None,
            (true, true) => Some("x-api-key: sk-ours"),
            (true, false) => Some("authorization: Bearer sk-ours"),
        };
        let keys = sent.head.lines().filter(|it| it.contains("sk-ours"));
        assert_eq!(keys.collect::<Vec<_>>(), Vec::from_iter(key), "{what}");
        let asked: Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!(asked["model"], named, "{what}");
        let faces = ["user", "safety_identifier"].map(|it| asked.get(it).is_some());
        let face = server.end_user.filter(|_| !anthropic);
        assert_eq!(
            faces,
            ["user", "safety_identifier"].map(|it| face == Some(it)),
            "{what}"
        );
        assert_eq!(
            asked["metadata"]["user_id"].is_string(),
            anthropic,
            "{what}"
        );
        let row = self.kit.closed(before.strict_add(1)).await.pop().unwrap();
        assert_eq!(row.ended.unwrap().outcome, "completed", "{what}");
        self.kit.clock.advance(1_000);
        self.kit.gateway.follow().await.unwrap();
    }

    fn ask(&self, model: &str, anthropic: bool, stream: bool) -> Request<Body> {
        let path = if anthropic {
            "/v1/messages"
        } else {
            "/v1/chat/completions"
        };
        let body = json!({ "model": model, "max_tokens": 9, "stream": stream,
            "messages": [{ "role": "user", "content": "hi" }] });
        let token = token(|claims| {
            for (n, provider) in (41_u8..).zip(&self.providers) {
                let face = bauta_token::pseudonym::Pseudonym::from_bytes(&[n; 32]);
                claims.psn.insert(name(provider), face);
            }
        });
        Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(Body::from(body.to_string()))
            .unwrap()
    }
}

fn read(file: &str) -> Preset {
    let text = fs::read_to_string(folder().join(format!("{file}.toml"))).unwrap();
    for fact in ["Read 20", "https://"] {
        assert!(
            text.contains(fact),
            "{file} says when and where its facts were read"
        );
    }
    toml::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/upstreams")
}
