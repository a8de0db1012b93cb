//! `bauta drill`: self-tests that print a figure each.

use std::time::Duration;

use bauta_proxy::{
    config::UpstreamConfig,
    route::{
        Models,
        drill::{Asker, Row, providers, without},
    },
};
use bauta_token::scope::Name;
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use super::{ConfigFile, Exit, Failure, print};
use crate::{cli::print::Style, config::Config};

/// Try what would happen, and print a figure
#[derive(Debug, Subcommand)]
pub(crate) enum Drill {
    /// What answers if a provider disappears now, and what does not
    Failover(Failover),
}

/// What answers if a provider disappears now, and what does not
#[derive(Debug, clap::Args)]
pub(crate) struct Failover {
    #[command(flatten)]
    file: ConfigFile,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Drill) -> Result<Exit, Failure> {
    match command {
        Drill::Failover(command) => failover(command).await,
    }
}

async fn failover(command: Failover) -> Result<Exit, Failure> {
    let config = Config::read(&command.file.config).map_err(Failure::usage)?;
    let (models, _) = Models::load(&config.model, &config.upstream).map_err(|found| {
        let sentences: Vec<_> = found.into_iter().map(|it| it.sentence).collect();
        Failure::new(Exit::Usage, sentences.join("; "))
    })?;
    let all = providers(&models);
    if let Some(name) = command
        .provider
        .as_ref()
        .filter(|it| !all.iter().any(|name| name.as_str() == it.as_str()))
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("no model has a target at {name}; without --provider all are drilled"),
        ));
    }
    let there = probe(&config.upstream).await;
    let is_there = |place: usize| there.get(place).copied().unwrap_or(false);
    let wanted = |it: &Name| {
        command
            .provider
            .as_ref()
            .is_none_or(|only| only == it.as_str())
    };
    let drills: Vec<(Name, Vec<Row>)> = all
        .into_iter()
        .filter(wanted)
        .map(|gone| {
            let rows = without(&models, &gone, is_there);
            (gone, rows)
        })
        .collect();
    if command.json {
        print::line(document(&config.upstream, &there, &drills).to_string());
    } else {
        page(&config.upstream, &there, &drills, Style::of_stdout());
    }
    Ok(Exit::Done)
}

/// Whether something accepts a connection where each upstream is. No request is sent.
async fn probe(upstreams: &[UpstreamConfig]) -> Vec<bool> {
    let mut found = Vec::with_capacity(upstreams.len());
    for upstream in upstreams {
        let Ok(endpoint) = upstream.endpoint() else {
            found.push(false);
            continue;
        };
        let connecting = TcpStream::connect(endpoint.address());
        found.push(matches!(timeout(PATIENCE, connecting).await, Ok(Ok(_))));
    }
    found
}

fn page(upstreams: &[UpstreamConfig], there: &[bool], drills: &[(Name, Vec<Row>)], style: Style) {
    for (upstream, there) in upstreams.iter().zip(there) {
        let state = if *there {
            style.good("accepts connections")
        } else {
            style.bold("does not accept a connection, and stands in for nobody")
        };
        print::line(format!("{:<20} {state}", upstream.name.as_str()));
    }
    for (gone, rows) in drills {
        print::line("");
        print::line(style.bold(&format!("Without {gone}")));
        for row in rows {
            print::line(format!(
                "  {:<24} {:<10} {:<13} {}",
                row.model.as_str(),
                row.dialect.name(),
                asker(row.asker),
                answer(row, style)
            ));
        }
        let answered = rows.iter().filter(|row| row.answer.is_some()).count();
        print::line(format!("  {answered} of {} still answered", rows.len()));
    }
}

const fn asker(asker: Asker) -> &'static str {
    match asker {
        Asker::Opens => "verified",
        _ => "not verified",
    }
}

fn answer(row: &Row, style: Style) -> String {
    match &row.answer {
        Some((door, true)) => format!("{door} (another model, and the answer says so)"),
        Some((door, false)) => door.clone(),
        None => style.bold("nothing"),
    }
}

fn document(upstreams: &[UpstreamConfig], there: &[bool], drills: &[(Name, Vec<Row>)]) -> Value {
    let upstreams = upstreams.iter().zip(there);
    let upstreams: Vec<_> = upstreams
        .map(|(it, there)| json!({ "name": it.name.as_str(), "accepts_connections": there }))
        .collect();
    let drills: Vec<_> = drills
        .iter()
        .map(|(gone, rows)| {
            let answered = rows.iter().filter(|row| row.answer.is_some()).count();
            let rows: Vec<_> = rows.iter().map(row).collect();
            json!({ "without": gone.as_str(), "answered": answered, "of": rows.len(), "rows": rows })
        })
        .collect();
    json!({ "upstreams": upstreams, "drills": drills })
}

fn row(row: &Row) -> Value {
    json!({
        "model": row.model.as_str(),
        "dialect": row.dialect.name(),
        "member": asker(row.asker),
        "served_by": row.answer.as_ref().map(|it| &it.0),
        "fallback": row.answer.as_ref().map(|it| it.1),
    })
}

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
