//! What the journal costs: the same loop for each backend, which includes this file.
//!
//! A request is two entries: its intent with the amount set aside, and its end with what was charged.
//! As under load, half of each batch begins requests and half ends those of the batch before.

use std::{
    collections::VecDeque,
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bauta_audit::note::Signer;
use bauta_proxy::ports::{
    Charge, Closing, Entry, Intent, Journal, Outcome, ReplicaId, RequestId, Served, Tokens, Window,
};
use bauta_token::{
    pseudonym::Pseudonym,
    scope::Name,
    units::{MicroUsd, UnixMillis},
};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// Prints the head of the table.
pub(crate) fn head() {
    println!(
        "{:<22}{:>7}{:>12}{:>14}{:>15}{:>11}{:>11}",
        "journal", "batch", "entries/s", "CPU us/req", "server us/req", "p50 ms", "p99 ms"
    );
}

/// Prints a line for each size of batch, then one for sealing. `server` is the process whose
/// children do the work for us, if there is one.
pub(crate) async fn measure(
    name: &str,
    journal: Arc<dyn Journal>,
    server: Option<u32>,
) -> Result<(), Failed> {
    let mut load = Load::new(journal)?;
    for batch in [1, 8, 64, 512] {
        load.run(batch, Duration::from_millis(300), server).await?;
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let round = load.run(batch, Duration::from_millis(1500), server).await?;
            rounds.push(round);
        }
        rounds.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
        let Some(middle) = rounds.get(1) else {
            continue;
        };
        println!("{name:<22}{batch:>7}{middle}");
    }
    load.seal(name, server).await
}

/// One window.
struct Round {
    entries_per_s: f64,
    cpu_us: f64,
    server_us: Option<f64>,
    p50_ms: f64,
    p99_ms: f64,
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = self
            .server_us
            .map_or("-".to_owned(), |us| format!("{us:.1}"));
        write!(
            f,
            "{:>12.0}{:>14.1}{server:>15}{:>11.2}{:>11.2}",
            self.entries_per_s, self.cpu_us, self.p50_ms, self.p99_ms
        )
    }
}

struct Load {
    journal: Arc<dyn Journal>,
    open: VecDeque<RequestId>,
    grants: Vec<Pseudonym>,
    scope: Name,
    served: Served,
    next: u64,
}

impl Load {
    fn new(journal: Arc<dyn Journal>) -> Result<Self, Failed> {
        let name = |text| Name::parse(text).ok_or("no name");
        Ok(Self {
            journal,
            open: VecDeque::new(),
            grants: (0..64).map(|n| Pseudonym::from_bytes(&[n; 32])).collect(),
            scope: name("frontier")?,
            served: Served {
                upstream: name("anthropic")?,
                model: "claude-opus-4-8".to_owned(),
            },
            next: 0,
        })
    }

    async fn run(
        &mut self,
        batch: usize,
        time: Duration,
        server: Option<u32>,
    ) -> Result<Round, Failed> {
        let (mut entries, mut took) = (0, Vec::new());
        let meter = Meter::read(server)?;
        while meter.at.elapsed() < time {
            let batch = self.batch(batch)?;
            entries += batch.len();
            let began = Instant::now();
            self.journal.commit(batch).await?;
            took.push(began.elapsed());
        }
        let used = meter.used(server)?;
        let requests = entries as f64 / 2.0;
        took.sort_unstable();
        let at = |hundredth: usize| {
            let place = took.len().saturating_sub(1) * hundredth / 100;
            took.get(place).map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        Ok(Round {
            entries_per_s: entries as f64 / used.wall_s,
            cpu_us: used.own_us / requests,
            server_us: used.server_us.map(|us| us / requests),
            p50_ms: at(50),
            p99_ms: at(99),
        })
    }

    /// Half ends, half beginnings.
    fn batch(&mut self, size: usize) -> Result<Arc<[Entry]>, Failed> {
        let ends = if size == 1 { 1 } else { size / 2 }.min(self.open.len());
        let ended: Vec<_> = self.open.drain(..ends).collect();
        let mut batch: Vec<_> = ended.into_iter().map(|id| self.end(id)).collect();
        while batch.len() < size {
            batch.push(self.begin()?);
        }
        Ok(batch.into())
    }

    fn begin(&mut self) -> Result<Entry, Failed> {
        self.next += 1;
        let id = self.id();
        self.open.push_back(id);
        let place = usize::try_from(self.next)? % self.grants.len();
        Ok(Entry::Begin(Intent {
            id,
            replica: ReplicaId([6; 16]),
            grant: self.grants.get(place).cloned().ok_or("no grant")?,
            scope: self.scope.clone(),
            dialect: "anthropic",
            route: "messages",
            model: "claude-opus".to_owned(),
            gate: None,
            targets: "anthropic/claude-opus-4-8".to_owned(),
            started_at: self.now(),
            held: MicroUsd::new(20_000).ok_or("no amount")?,
            budget: Some(Window {
                start: UnixMillis(START),
                limit: MicroUsd::new(1_000_000_000_000).ok_or("no amount")?,
            }),
        }))
    }

    fn end(&self, id: RequestId) -> Entry {
        Entry::Close(Closing {
            id,
            outcome: Outcome::Completed,
            status: Some(200),
            served: Some(self.served.clone()),
            tokens: Some(Tokens {
                input: 250,
                output: 60,
                cache_read: 0,
                cache_write: 0,
            }),
            charge: Charge::Amount(MicroUsd::new(1_650).unwrap_or(MicroUsd::ZERO)),
            ended_at: self.now(),
        })
    }

    /// As a ULID is: milliseconds first, then what looks random.
    fn id(&self) -> RequestId {
        let millis = u128::try_from(self.now().0).unwrap_or(0);
        let mut mixed = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let rest = u128::from(mixed) << 16 | u128::from(self.next & 0xffff);
        RequestId::from_bytes((millis << 80 | rest).to_be_bytes())
    }

    /// A clock that goes on by a millisecond every ten requests.
    fn now(&self) -> UnixMillis {
        UnixMillis(START + i64::try_from(self.next / 10).unwrap_or(0))
    }

    /// Twenty seals: how long one holds the writer up, and what a row costs.
    async fn seal(&mut self, name: &str, server: Option<u32>) -> Result<(), Failed> {
        let signer = Arc::new(Signer::new("bench.example/log", &[7; 32]).ok_or("no signer")?);
        let meter = Meter::read(server)?;
        let (mut took, mut leaves) = (Vec::new(), 0);
        for n in 0..20 {
            let began = Instant::now();
            let signer = Arc::clone(&signer);
            let sealing = self.journal.seal(signer, [n; 32], self.now()).await?;
            took.push(began.elapsed());
            leaves += sealing.leaves;
        }
        let used = meter.used(server)?;
        let rows = leaves as f64 / 2.0;
        took.sort_unstable();
        let at = |place: usize| took.get(place).map_or(0.0, Duration::as_secs_f64) * 1e3;
        let round = Round {
            entries_per_s: leaves as f64 / used.wall_s,
            cpu_us: used.own_us / rows,
            server_us: used.server_us.map(|us| us / rows),
            p50_ms: at(10),
            p99_ms: at(19),
        };
        println!("{name:<22}{:>7}{round}", "seal");
        Ok(())
    }
}

/// What was used up to a moment.
struct Meter {
    at: Instant,
    own_ns: u64,
    server_ns: Option<u64>,
}

/// What was used since then.
struct Used {
    wall_s: f64,
    own_us: f64,
    server_us: Option<f64>,
}

impl Meter {
    fn read(server: Option<u32>) -> Result<Self, Failed> {
        Ok(Self {
            at: Instant::now(),
            own_ns: threads_ns("self")?,
            server_ns: server.map(children_ns).transpose()?,
        })
    }

    fn used(&self, server: Option<u32>) -> Result<Used, Failed> {
        let now = Self::read(server)?;
        let us = |after: u64, before: u64| after.saturating_sub(before) as f64 / 1e3;
        Ok(Used {
            wall_s: (now.at - self.at).as_secs_f64(),
            own_us: us(now.own_ns, self.own_ns),
            server_us: now.server_ns.zip(self.server_ns).map(|(a, b)| us(a, b)),
        })
    }
}

/// Nanoseconds of CPU of the threads of a process that live.
fn threads_ns(process: &str) -> Result<u64, Failed> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = stat.split_whitespace().next().ok_or("no figure")?;
        total += first.parse::<u64>()?;
    }
    Ok(total)
}

/// The same for all that `parent` started. One that ended meanwhile counts nothing.
fn children_ns(parent: u32) -> Result<u64, Failed> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let children = children.split_whitespace();
    Ok(children.map(|child| threads_ns(child).unwrap_or(0)).sum())
}

const START: i64 = 1_790_000_000_000;
