//! `bauta keys scim`: bearers for the directory, on the server's own files, whether it runs or not.

use bauta_attestation::{Plane, scim::bearer::MOST_BEARERS};
use bauta_token::{ambient::Clock, units::UnixMillis};
use serde_json::json;

use crate::{
    ambient::SystemClock,
    cli::{ConfigFile, Exit, Failure, print, serve::base},
    config::Config,
    serve::Start,
};

/// Bearers that the directory shows: two may be in force, so that one can follow the other
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Scim {
    /// Make a bearer and print it once
    New {
        #[command(flatten)]
        file: ConfigFile,
        /// How long it is good
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=1100))]
        days: u32,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// The bearers there are, and how many of those the directory lists have signed in
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End a bearer at once
    End {
        #[command(flatten)]
        file: ConfigFile,
        /// Its number, as `list` shows it
        number: i64,
    },
}

pub(crate) async fn run(command: Scim) -> Result<Exit, Failure> {
    match command {
        Scim::New { file, days, json } => {
            let (plane, config) = open(&file).await?;
            let url = format!("{}/scim/v2", config.server.public_url);
            let Some(bearer) = plane.make_bearer(days).await? else {
                return Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "{MOST_BEARERS} bearers are in force, which is as many as may be; \
                         `bauta keys scim list` shows them, and `bauta keys scim end N` ends one"
                    ),
                ));
            };
            let secret = bearer.secret.reveal();
            if json {
                let until = bearer.expires_at.to_string();
                print::line(
                    json!({ "number": bearer.number, "url": url, "bearer": secret, "until": until })
                        .to_string(),
                );
                return Ok(Exit::Done);
            }
            print::note(format!(
                "bearer {}, good until {}. Give the directory the URL {url} and this, which is shown \
                 once:",
                bearer.number,
                bearer.expires_at.day()
            ));
            print::line(secret);
            Ok(Exit::Done)
        }
        Scim::List { file, json } => {
            let (plane, _) = open(&file).await?;
            list(&plane, json).await
        }
        Scim::End { file, number } => {
            let (plane, _) = open(&file).await?;
            if plane.end_bearer(number).await? {
                print::line(format!("bearer {number}: ended"));
                return Ok(Exit::Done);
            }
            Err(Failure::new(
                Exit::Failed,
                format!(
                    "there is no bearer {number}; `bauta keys scim list` shows those there are"
                ),
            ))
        }
    }
}

async fn list(plane: &Plane, as_json: bool) -> Result<Exit, Failure> {
    let (bearers, census) = (plane.bearers().await?, plane.directory_census().await?);
    let now = SystemClock.now();
    if as_json {
        let bearers: Vec<_> = bearers
            .iter()
            .map(|it| {
                json!({
                    "number": it.number, "made": it.made_on.to_string(),
                    "until": it.expires_at.to_string(), "good": it.expires_at > now,
                    "used": it.used_on.map(|day| day.to_string()),
                })
            })
            .collect();
        let whole = json!({
            "bearers": bearers, "users": census.users, "joined": census.joined,
            "groups": census.groups,
        });
        print::line(whole.to_string());
        return Ok(Exit::Done);
    }
    for it in &bearers {
        let used = it
            .used_on
            .map_or_else(|| "never used".to_owned(), |day| format!("last used {day}"));
        print::line(format!(
            "{}  made {}  {}  {used}",
            it.number,
            it.made_on,
            until(it.expires_at, now)
        ));
    }
    if bearers.is_empty() {
        print::note("there is no bearer; `bauta keys scim new` makes one");
    }
    print::note(format!(
        "the directory lists {} people, of whom {} have signed in, and {} groups",
        census.users, census.joined, census.groups
    ));
    Ok(Exit::Done)
}

fn until(end: UnixMillis, now: UnixMillis) -> String {
    if end > now {
        format!("good until {}", end.day())
    } else {
        format!("expired {}", end.day())
    }
}

async fn open(file: &ConfigFile) -> Result<(std::sync::Arc<Plane>, Config), Failure> {
    let config = Config::read(&file.config).map_err(Failure::usage)?;
    let plane = Start::new(&config, base(&file.config))
        .join_identity()
        .await?;
    Ok((plane, config))
}
