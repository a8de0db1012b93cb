//! `bauta audit export`: from the server's own files, whether it runs or not.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use bauta_audit::export::{Filter, Plane, Profile, Window, kept};
use bauta_token::ambient::Clock;

use crate::{
    ambient::SystemClock,
    cli::{ConfigFile, Exit, Failure, print, serve::base},
    config::{AuditDurability, Config},
    export::{Whole, from_files},
};

/// Write a plane's log as a bundle that proves its own completeness
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    file: ConfigFile,
    /// Whose log; without a choice --out names a folder and gets that of each plane whose database is
    /// configured
    #[arg(long, value_name = "identity|gateway")]
    plane: Option<Plane>,
    /// The first instant, RFC 3339 in UTC, or a day
    #[arg(long, value_name = "T", default_value = "1970-01-01")]
    from: String,
    /// The first instant no longer in it; now when absent
    #[arg(long, value_name = "T")]
    to: Option<String>,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_parser = ["jsonl"])]
    format: String,
    /// What it is for
    #[arg(long, value_name = "PROFILE", default_value = "auditor")]
    profile: Profile,
    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events of this pseudonym
    #[arg(long, value_name = "BP1")]
    pseudonym: Option<String>,
    /// Only events of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Only events under this policy
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// An earlier export or checkpoint that this one is proved to continue
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) async fn run(command: Export) -> Result<Exit, Failure> {
    let config = Config::read(&command.file.config).map_err(Failure::usage)?;
    let whole = asked(&command, &config)?;
    let files = match command.plane {
        Some(plane) => vec![(plane, command.out.clone())],
        None => kept_here(&config, &command.out),
    };
    if files.is_empty() {
        return Err(Failure::usage(
            "the configuration names no database; write storage.identity or storage.gateway",
        ));
    }
    for (plane, file) in files {
        let (summary, key) =
            from_files(&config, base(&command.file.config), plane, &whole, &file).await?;
        print::line(format!(
            "{}: {} records shown, {} withheld, of {} in the {plane} log",
            file.display(),
            summary.matched,
            summary.withheld,
            summary.size
        ));
        print::line(format!(
            "  bauta audit verify {} --key '{key}'",
            file.display()
        ));
    }
    Ok(Exit::Done)
}

/// The planes whose databases are of this configuration.
fn kept_here(config: &Config, out: &Path) -> Vec<(Plane, PathBuf)> {
    let storage = &config.storage;
    [
        (Plane::Identity, &storage.identity, "identity.jsonl"),
        (Plane::Gateway, &storage.gateway, "gateway.jsonl"),
    ]
    .into_iter()
    .filter(|(_, url, _)| url.is_some())
    .map(|(plane, _, file)| (plane, out.join(file)))
    .collect()
}

fn asked(command: &Export, config: &Config) -> Result<Whole, Failure> {
    let now = (Arc::new(SystemClock) as Arc<dyn Clock>)
        .now()
        .plus_seconds(1);
    let to = command
        .to
        .clone()
        .map_or_else(|| now.to_string(), |to| instant(&to));
    let window = Window::new(&instant(&command.from), &to).ok_or_else(|| {
        Failure::usage(
            "--from and --to are RFC 3339 in UTC, such as 2026-11-20 or \
             2026-11-20T10:00:00.000Z, and --from is before --to",
        )
    })?;
    let mut filter = Filter::everything();
    if !command.types.is_empty() {
        filter = filter.only("type", command.types.iter().cloned());
    }
    for (member, value) in [
        ("pseudonym", &command.pseudonym),
        ("model", &command.model),
        ("policy", &command.policy),
    ] {
        if let Some(value) = value {
            filter = filter.only(member, [value.clone()]);
        }
    }
    let previous = match &command.previous {
        None => None,
        Some(path) => {
            let file = std::fs::File::open(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            Some(kept(std::io::BufReader::new(file))?)
        }
    };
    Ok(Whole {
        window,
        filter,
        profile: command.profile,
        durability: match config.storage.audit_durability {
            AuditDurability::Fsync => bauta_audit::export::Durability::Fsync,
            AuditDurability::Os => bauta_audit::export::Durability::Os,
        },
        previous,
    })
}

/// A day stands for its first instant; seconds are enough.
fn instant(text: &str) -> String {
    match text.len() {
        10 => format!("{text}T00:00:00.000Z"),
        20 => text.replacen('Z', ".000Z", 1),
        _ => text.to_owned(),
    }
}
