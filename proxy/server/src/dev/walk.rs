//! `bauta dev --walk`: the main job by itself, each step with what was stored and what was not.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use bauta_audit::{
    export::{Options, verify},
    note::Verifier,
};
use bauta_sandbox::persona::Decision;
use serde_json::{Value, json};

use super::{
    hands::Hands,
    member::Member,
    search::{Needle, search},
    stage::Stage,
};
use crate::{
    cli::print::{Style, line},
    export::{self, Whole},
};

/// Does the main job on a stage whose clock and counterparties are its own.
///
/// # Errors
///
/// When a step does not end as it should.
pub async fn walk(stage: &Stage, hands: &Hands) -> anyhow::Result<()> {
    let mut teller = Teller::new(stage);
    let mut ada = Member::new(&stage.scene, "Ada");

    teller.step(
        "Sign in",
        "Ada signs in with corporate SSO. The provider says who she is and in which groups.",
    );
    ada.sign_in().await?;
    teller.stored().await?;

    teller.step("Verify once", "She shows a passport and her face to the vendor, not to Bauta. The vendor decides; Bauta fetches the decision itself before it believes it.");
    let inquiry = ada.verify(Decision::Approve).await?;
    teller.stored().await?;
    teller.kept(&mut ada).await?;

    teller.step("Sign a terminal in", "A tool shows a code, Ada types it in her browser and allows it. The tool gets a token for an hour, and one to refresh it.");
    let tokens = ada.device_token("frontier").await?;
    teller.token(&tokens.access);
    teller.stored().await?;

    teller.step("Ask", "The tool asks Claude through the gateway with that token, streaming. The request names Ada three times over, as tools do.");
    let asked = ask(stage, &tokens.access).await?;
    teller.streamed(&asked);
    teller.provider_saw()?;
    teller.stored().await?;

    teller.step("Forget", "The evidence is deleted at the vendor, and the receipt is kept. (The clock is moved ahead: the vendor takes its time.)");
    redact(stage, hands, &inquiry).await?;
    teller.stored().await?;

    teller.step(
        "Export",
        "An officer exports both logs, each by itself. They are never joined.",
    );
    let files = teller.export().await?;

    teller.step(
        "Verify the exports",
        "Offline, from the file and the log's public key. Then one byte is changed.",
    );
    for (file, key) in &files {
        teller.verify(file, key)?;
    }

    teller.step("What was not stored", "Every byte under the data folder is searched for what was planted: in the identity provider's account, on the passport, in the prompt.");
    teller.search().await
}

/// What a stream was, as the tool saw it.
struct Streamed {
    events: usize,
    text: String,
    served_by: String,
}

/// Says what happens, and what it left behind.
struct Teller<'a> {
    stage: &'a Stage,
    style: Style,
    step: usize,
    told: BTreeMap<&'static str, u64>,
    shuffle_told: bool,
}

impl<'a> Teller<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            style: Style::of_stdout(),
            step: 0,
            told: BTreeMap::new(),
            shuffle_told: false,
        }
    }

    fn step(&mut self, title: &str, what: &str) {
        self.step = self.step.saturating_add(1);
        line("");
        line(self.style.bold(&format!("{}  {title}", self.step)));
        line(format!("   {what}"));
    }

    fn fact(&self, label: &str, text: &str) {
        line(format!(
            "   {} {text}",
            self.style.dim(&format!("{label:<9}"))
        ));
    }

    /// The entries that the step left in either log, as they are stored.
    async fn stored(&mut self) -> anyhow::Result<()> {
        let (plane, gateway) = planes(self.stage)?;
        plane.seal().await?;
        gateway.seal().await?;
        for (name, log) in [("identity", plane.log()), ("gateway", gateway.log())] {
            let from = self.told.get(name).copied().unwrap_or(0);
            let size = log.head().await?.size;
            let leaves = log.leaves(from..size).await?.into_iter();
            let events = leaves.map(|leaf| leaf.event.context("an event is gone"));
            let events = by_time(events.collect::<anyhow::Result<_>>()?);
            for event in &events {
                self.fact("stored", &format!("{name:<8}  {}", shortened(event)));
            }
            if name == "gateway" && events.len() > 1 && !self.shuffle_told {
                self.shuffle_told = true;
                self.fact("order", SHUFFLED);
            }
            self.told.insert(name, size);
        }
        Ok(())
    }

    /// The whole record of the verification, as the member's own page shows it.
    async fn kept(&self, member: &mut Member<'_>) -> anyhow::Result<()> {
        let url = format!("{}/privacy", self.stage.scene.url);
        let page = member.browser.open(&url).await?;
        ensure!(
            page.status.is_success(),
            "/privacy answered {}",
            page.status
        );
        let planted = self.stage.scene.sandbox.canaries();
        let shown = planted.iter().filter(|c| page.body.contains(&c.value));
        ensure!(
            shown.count() == 0,
            "the member's page shows something about a person"
        );
        self.fact(
            "not",
            "no image, no name, no birth date, no nationality, no document number: all of it is on her privacy page",
        );
        Ok(())
    }

    fn token(&self, access: &str) {
        let shown: String = access.chars().take(24).collect();
        self.fact("token", &format!("{shown}…  ({} letters)", access.len()));
    }

    fn streamed(&self, asked: &Streamed) {
        self.fact("answer", &asked.text);
        self.fact(
            "stream",
            &format!(
                "{} events, byte for byte, from {}",
                asked.events, asked.served_by
            ),
        );
    }

    /// What reached the provider, from the simulator's own record.
    fn provider_saw(&self) -> anyhow::Result<()> {
        let requests = self.stage.scene.sandbox.anthropic.requests();
        let request = requests.last().context("the provider saw no request")?;
        let body = request.json().context("the provider saw no JSON")?;
        let user = body.pointer("/metadata/user_id").and_then(Value::as_str);
        let user = user.unwrap_or("nothing");
        self.fact("provider", &format!("saw user_id {user}"));
        for planted in [PLANTED.address, PLANTED.device] {
            ensure!(!request.contains(planted), "the provider saw {planted}");
        }
        self.fact("not", "neither her address nor her device reached the provider; what she wrote did, as it must");
        Ok(())
    }

    async fn export(&self) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let (plane, gateway) = planes(self.stage)?;
        let folder = self.stage.scene.folder.join("exports");
        let mut files = Vec::new();
        let identity = folder.join("identity.jsonl");
        let made = export::identity(plane, &Whole::until_now(), &identity).await?;
        self.fact(
            "wrote",
            &format!("{}  {} records", identity.display(), made.matched),
        );
        files.push((identity, plane.log_signer()?.vkey()));
        let asked = folder.join("gateway.jsonl");
        let made = export::gateway(gateway, &Whole::until_now(), &asked).await?;
        self.fact(
            "wrote",
            &format!("{}  {} records", asked.display(), made.matched),
        );
        files.push((asked, gateway.vkey()));
        Ok(files)
    }

    fn verify(&self, file: &Path, key: &str) -> anyhow::Result<()> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let options = || -> anyhow::Result<Options> {
            Ok(Options {
                key: Some(Verifier::parse(key)?),
                previous: None,
            })
        };
        let report = verify(BufReader::new(File::open(file)?), &options()?)?;
        self.fact(
            "verified",
            &format!(
                "{name}: complete and genuine, {} of {} leaves, key {}",
                report.matched, report.size, report.key_id
            ),
        );
        let mut bytes = fs::read(file)?;
        // A digit becomes another digit, so that only the proof can tell.
        let half = bytes.len() / 2;
        let digit = bytes.iter().skip(half).position(u8::is_ascii_digit);
        let middle = half.saturating_add(digit.context("the export has no digit")?);
        let byte = bytes.get_mut(middle).context("the export is empty")?;
        *byte ^= 1;
        match verify(bytes.as_slice(), &options()?) {
            Ok(_) => bail!("{name} still verifies with byte {middle} changed"),
            Err(error) => self.fact(
                "tampered",
                &format!("{name} with byte {middle} changed: {error}"),
            ),
        }
        Ok(())
    }

    /// Searches every byte that was written.
    async fn search(&self) -> anyhow::Result<()> {
        let planted = self.stage.scene.sandbox.canaries();
        let mut needles: Vec<Needle> = planted
            .iter()
            .flat_map(|c| Needle::of(&c.field, &c.value))
            .collect();
        let ours = [PLANTED.address, PLANTED.device, PLANTED.words];
        needles.extend(
            ours.iter()
                .flat_map(|value| Needle::of("the request", value)),
        );
        let values = planted.len().saturating_add(ours.len());
        let folder = self.stage.scene.folder.clone();
        let found = tokio::task::spawn_blocking(move || search(&folder, &needles)).await??;
        let bytes = found.bytes;
        if let Some((file, needle)) = found.hits.first() {
            bail!("{needle} is in {}", file.display());
        }
        self.fact(
            "searched",
            &format!(
                "{} files, {bytes} bytes, for {values} planted values and their plain hashes: {}",
                found.files,
                self.style.good("none found")
            ),
        );
        Ok(())
    }
}

/// Asks with everything in the request that tools put there about a person.
async fn ask(stage: &Stage, token: &str) -> anyhow::Result<Streamed> {
    let body = json!({
        "model": "claude-opus",
        "max_tokens": 200,
        "stream": true,
        "metadata": { "user_id": PLANTED.device },
        "messages": [ { "role": "user", "content": format!("In one sentence: what is a bauta? {}", PLANTED.words) } ],
    });
    let answer = stage
        .scene
        .http
        .post(format!("{}/v1/messages", stage.scene.url))
        .header("authorization", format!("Bearer {token}"))
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .header("x-forwarded-for", "203.0.113.77")
        .header("x-canary-mail", PLANTED.address)
        .body(body.to_string())
        .send()
        .await?;
    let status = answer.status();
    let served = answer.headers().get("bauta-served-by");
    let served_by = served
        .and_then(|v| v.to_str().ok())
        .unwrap_or("nobody")
        .to_owned();
    let text = answer.text().await?;
    ensure!(status.is_success(), "the gateway answered {status}: {text}");
    let mut streamed = Streamed {
        events: 0,
        text: String::new(),
        served_by,
    };
    for data in text.lines().filter_map(|l| l.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data)?;
        streamed.events = streamed.events.saturating_add(1);
        if let Some(part) = event.pointer("/delta/text").and_then(Value::as_str) {
            streamed.text.push_str(part);
        }
    }
    ensure!(text.contains("message_stop"), "the stream has no end");
    Ok(streamed)
}

/// Redaction is asked for when it is due and confirmed when the vendor has done it.
async fn redact(stage: &Stage, hands: &Hands, inquiry: &str) -> anyhow::Result<()> {
    let (plane, _) = planes(stage)?;
    for _ in 0..5 {
        plane.tend().await?;
        stage.scene.sandbox.persona.settle();
        // The vendor is not asked more often than this; nobody waits for it here.
        hands.advance_seconds(3_600);
    }
    ensure!(
        stage.scene.sandbox.persona.redacted(inquiry),
        "the vendor still has the evidence"
    );
    Ok(())
}

fn planes(stage: &Stage) -> anyhow::Result<(&bauta_attestation::Plane, &bauta_proxy::Gateway)> {
    let plane = stage
        .running
        .plane
        .as_deref()
        .context("no identity plane runs")?;
    let gateway = stage
        .running
        .gateway
        .as_deref()
        .context("no gateway runs")?;
    Ok((plane, gateway))
}

/// Events in the order they happened in; of one instant, in the order of their types, which has an
/// intent before its outcome.
fn by_time(mut events: Vec<String>) -> Vec<String> {
    events.sort_by_cached_key(|event| {
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        let text = |name| event.get(name).and_then(Value::as_str).map(str::to_owned);
        (text("at"), text("type"))
    });
    events
}

const SHUFFLED: &str = "shown by time; in the gateway log the leaves of a batch are shuffled on purpose, so that the tree says nothing about when";

/// An event without what only machines read.
fn shortened(event: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(event) else {
        return event.to_owned();
    };
    let kind = members
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned();
    let mut rest: Vec<String> = Vec::new();
    for (name, value) in members
        .iter()
        .filter(|(name, _)| *name != "type" && *name != "at")
    {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let short: String = text.chars().take(28).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        rest.push(format!("{name}={short}{dots}"));
    }
    format!("{kind:<22} {}", rest.join(" "))
}

/// What Ada's tool puts into the request about her.
const PLANTED: Planted = Planted {
    address: "ada.walk-canary@corp.example",
    device: "device-canary-4f2a9c1e77b0",
    words: "(asked by walk-canary-person on walk-canary-laptop)",
};

struct Planted {
    /// In a header.
    address: &'static str,
    /// In the body, where providers look for a user.
    device: &'static str,
    /// In the prompt itself.
    words: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_shown_before_its_outcome() {
        let event = |at: &str, kind: &str| json!({ "at": at, "type": kind }).to_string();
        let early = event("2026-11-20T10:00:00.000Z", "request.outcome");
        let intent = event("2026-11-20T10:00:00.100Z", "request.intent");
        let outcome = event("2026-11-20T10:00:00.100Z", "request.outcome");

        let shown = by_time(vec![outcome.clone(), intent.clone(), early.clone()]);

        assert_eq!(shown, [early, intent, outcome]);
    }
}
