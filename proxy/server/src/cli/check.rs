//! `bauta check`: what is wrong with a configuration, and how to mend it.

use super::{ConfigFile, Exit, Failure, print, serve::base};
use crate::{
    check::{Finding, findings},
    cli::print::Style,
    config::Config,
    serve::Role,
};

/// Say what is wrong with a configuration and how to mend it
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// What runs in the process that it is for: what the other plane needs is not looked at
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Check) -> Result<Exit, Failure> {
    let file = command.file.config;
    let config = Config::read(&file).map_err(Failure::usage)?;
    let found = findings(&config, base(&file), command.role).await;
    if command.json {
        let rows: Vec<_> = found.iter().map(Finding::json).collect();
        print::line(serde_json::Value::from(rows).to_string());
    } else {
        let style = Style::of_stdout();
        for finding in &found {
            print::line(finding.row(style));
        }
    }
    let good = found.iter().all(|finding| finding.mend().is_none());
    Ok(if good { Exit::Done } else { Exit::Usage })
}
