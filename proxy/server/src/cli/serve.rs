//! `bauta serve`: the production server.

use std::{path::Path, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigFile, Exit, Failure, print};
use crate::{
    ambient::{SystemClock, SystemRandomness},
    chain::chain,
    config::Config,
    harden,
    serve::{Role, Running, Start, credentials},
    telemetry,
};

/// The production server
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Which plane runs in this process
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
}

pub(crate) async fn run(command: Serve) -> Result<Exit, Failure> {
    let file = command.file.config;
    let config = Config::read(&file).map_err(Failure::usage)?;
    let log = telemetry::start(None)?;
    let served = serve(command.role, &config, &file).await;
    log.flush();
    served
}

async fn serve(role: Role, config: &Config, file: &Path) -> Result<Exit, Failure> {
    harden::harden()?;
    let start = Start {
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness::default()),
        role,
        ..Start::new(config, base(file))
    };
    let running = start.run().await?;
    print::note(format!("bauta: {}", running.summary()));
    until_told(&running, file).await?;
    Ok(Exit::Done)
}

/// The folder that paths in a configuration are relative to.
pub(crate) fn base(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new("."))
}

/// Serves until a signal: the first one drains, the second one ends at once.
pub(crate) async fn until_told(running: &Running, file: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => print::note(reload(running, file)),
        }
    }
    print::note("bauta: draining; a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Puts the upstreams' keys on disk in force, and says whether the rest could replace what runs. The
/// last good configuration is kept in any case: what else is applied to a running system must be
/// applied whole, and that is a restart.
pub(crate) fn reload(running: &Running, file: &Path) -> String {
    let kept =
        |error: &dyn std::fmt::Display| format!("bauta: kept the last good configuration: {error}");
    let config = match Config::read(file) {
        Ok(config) => config,
        Err(error) => return kept(&error),
    };
    let Some(gateway) = &running.gateway else {
        return "bauta: the configuration is good; restart to put it in force".to_owned();
    };
    // All or none: a key that cannot be read must not leave half of them in force.
    let keys = match credentials(&config, base(file)) {
        Ok(keys) => keys,
        Err(error) => return kept(&chain(error.as_ref())),
    };
    let renewed = keys.into_iter();
    let renewed = renewed.map(|(name, keys)| gateway.rekey(&name, keys));
    let count = renewed.filter(|done| *done).count();
    format!(
        "bauta: the configuration is good; the keys of {count} upstreams are in force, restart to \
         put the rest in force"
    )
}

#[cfg(all(test, feature = "dev"))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use bauta_sandbox::persona::Decision;

    use super::*;
    use crate::dev::{
        member::Member,
        stage::{Setting, Stage},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hangup_puts_the_keys_on_disk_in_force_or_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut setting = Setting::new(folder.path().join("bauta"));
        setting.sandbox.anthropic.keys = vec!["rotated".to_owned()];
        let stage = Stage::open(setting).await.unwrap();
        let mut ada = Member::new(&stage.scene, "Ada");
        ada.sign_in().await.unwrap();
        ada.verify(Decision::Approve).await.unwrap();
        let token = ada.labelled_token("frontier", "one", 30).await.unwrap();
        let (file, key) = (
            stage.scene.folder.join("bauta.toml"),
            stage.scene.folder.join("keys/upstream"),
        );
        let asked = async || {
            let http = &stage.scene.http;
            let request = http.post(format!("{}/v1/messages", stage.scene.url));
            let request = request.bearer_auth(&token);
            let request = request
                .header("anthropic-version", "2023-06-01")
                .header("content-type", "application/json");
            let body = "{\"model\":\"claude-opus\",\"max_tokens\":9,\
                \"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
            request.body(body).send().await.unwrap().status().as_u16()
        };

        let before = asked().await;
        fs::write(&key, "rotated").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = reload(&stage.running, &file);
        let kept = asked().await;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let told = reload(&stage.running, &file);
        let after = asked().await;

        assert_eq!([before, kept, after], [502, 502, 200]);
        assert!(refused.contains("chmod 600"), "{refused}");
        assert!(told.contains("keys of 3 upstreams"), "{told}");
        stage.close().await;
    }
}
