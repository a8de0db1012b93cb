//! `bauta audit export`: from the server's own files, whether it runs or not.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use bauta_audit::export::{Filter, Plane, Profile, Window, kept};
use bauta_token::ambient::Clock;

use crate::{
    ambient::SystemClock,
    cli::{ConfigFile, Exit, Failure, init::private_folder, print, serve::base},
    config::{AuditDurability, Config, nearest},
    export::{Whole, from_files, types},
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
    /// Where to write; folders that are not there are made
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
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
    known_types(&command.types, &files)?;
    for (_, file) in &files {
        // Before anything is on record: an export that is refused leaves nothing in the log.
        clear(file, command.force)?;
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

/// Refuses a type that no event of these logs has: an export of nothing would look like an answer.
fn known_types(asked: &[String], files: &[(Plane, PathBuf)]) -> Result<(), Failure> {
    let known: BTreeSet<&str> = files
        .iter()
        .flat_map(|(plane, _)| types(*plane))
        .copied()
        .collect();
    let Some(unknown) = asked.iter().find(|it| !known.contains(it.as_str())) else {
        return Ok(());
    };
    let meant = nearest::meant(unknown, known.iter().copied());
    let known: Vec<_> = known.into_iter().collect();
    Err(Failure::usage(format!(
        "no event is of type \"{unknown}\"{meant}; there are {}",
        known.join(", ")
    )))
}

/// A place for `file`: its folder is there, and it is not, unless it may be written over.
fn clear(file: &Path, force: bool) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(Failure::usage(format!(
            "{} is a folder; with --plane, --out names a file in it",
            file.display()
        )));
    }
    if !force && file.exists() {
        return Err(Failure::usage(format!(
            "{} is there already and was left as it is; name another, or add --force to write over \
             it",
            file.display()
        )));
    }
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => Ok(private_folder(folder)?),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_no_event_has_is_refused_with_the_one_that_was_meant() {
        let both = [
            (Plane::Identity, PathBuf::new()),
            (Plane::Gateway, PathBuf::new()),
        ];
        let asked = |text: &str| known_types(&[text.to_owned()], &both);

        assert!(asked("sso.login").is_ok());
        assert!(asked("request.intent").is_ok());
        let refused = asked("sso.loginn").unwrap_err().sentence;
        assert!(refused.contains("did you mean \"sso.login\"?"), "{refused}");
        let other = known_types(&["sso.login".to_owned()], &both[1..]);
        assert!(other.is_err(), "the other log has none of these");
    }

    #[test]
    fn an_export_makes_its_folder_and_writes_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/deep/identity.jsonl");

        clear(&file, false).unwrap();
        std::fs::write(&file, "kept").unwrap();

        let refused = clear(&file, false).unwrap_err().sentence;
        assert!(refused.contains("--force"), "{refused}");
        assert!(clear(&file, true).is_ok());
        assert!(clear(folder.path(), true).is_err());
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
    }
}
