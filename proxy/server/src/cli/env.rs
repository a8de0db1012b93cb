//! `bauta env`: lines for a shell to evaluate.

use bauta_agent::renew::Purpose;
use zeroize::Zeroizing;

use super::{
    Exit, Failure, mine, print,
    tools::{Client, in_the_way, variables},
};

/// Print the variables that tools read, for `eval "$(bauta env)"`
#[derive(Debug, clap::Args)]
pub(crate) struct Env {
    #[command(flatten)]
    scope: mine::Scope,
    /// Only what this one reads
    #[arg(long, value_enum)]
    client: Option<Client>,
}

pub(crate) async fn run(env: Env) -> Result<Exit, Failure> {
    mine::hide();
    let current = mine::token(env.scope.scope.as_ref(), Purpose::Keeping).await?;
    for name in in_the_way(env.client) {
        if std::env::var_os(name).is_some() {
            print::line(format!("unset {name}"));
        }
    }
    for (name, value) in variables(env.client, &current) {
        print::line(&*export(name, &value));
    }
    Ok(Exit::Done)
}

fn export(name: &str, value: &str) -> Zeroizing<String> {
    // In single quotes a shell reads everything as it stands, but for the quote itself.
    let quoted = Zeroizing::new(value.replace('\'', r"'\''"));
    Zeroizing::new(format!("export {name}='{}'", &*quoted))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_exported_and_runs_none_of_it() {
        for value in [
            "bauta_eyJ.x-_",
            "a'b",
            "$(exit 9)`exit 9`",
            "a\"b\\c;exit 9",
            "''",
        ] {
            let script = format!("{}; printf %s \"$TOKEN\"", &*export("TOKEN", value));

            let said = Command::new("sh").args(["-c", &script]).output().unwrap();

            assert!(said.status.success());
            assert_eq!(String::from_utf8(said.stdout).unwrap(), value);
        }
    }
}
