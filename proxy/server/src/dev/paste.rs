//! What `bauta dev` gives to a shell: lines to copy, and a file to read in.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;

/// Address and credential of each client, by the names that clients read.
#[must_use]
pub fn variables(url: &str, token: &str) -> [(&'static str, String); 7] {
    [
        ("ANTHROPIC_BASE_URL", url.to_owned()),
        (TOKEN, token.to_owned()),
        ("OPENAI_BASE_URL", format!("{url}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
        ("GEMINI_BASE_URL", url.to_owned()),
        // Under this name Google's own SDKs and CLI look for it.
        ("GOOGLE_GEMINI_BASE_URL", url.to_owned()),
        ("GEMINI_API_KEY", token.to_owned()),
    ]
}

/// Writes `file`, mode 0600: what a shell reads in so that its children have the variables.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(file: &Path, url: &str, token: &str) -> anyhow::Result<()> {
    let mut text = String::from(HEAD);
    for (name, value) in variables(url, token) {
        let value = quoted(&value);
        text.extend(["export ", name, "=", &value, "\n"]);
    }
    // Anew and not over the old one: a mode is given to a file when it is made.
    if file.exists() {
        std::fs::remove_file(file).with_context(|| cannot(file))?;
    }
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| cannot(file))
}

/// The token in `file`, as [`write()`] left it.
#[must_use]
pub fn token(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let start = format!("export {TOKEN}='");
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(start.as_str()))?;
    value.strip_suffix('\'').map(str::to_owned)
}

/// One word to any shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn cannot(file: &Path) -> String {
    format!("{} cannot be written", file.display())
}

const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";

const HEAD: &str = "\
# Written by `bauta dev` at each start. Read it into a shell: . this-file
# A client that has both sends both, and two credentials are refused.
unset ANTHROPIC_API_KEY
";

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt, process::Command};

    use super::*;

    #[test]
    fn a_child_of_the_shell_that_read_the_file_has_the_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's env");
        write(&file, "http://127.0.0.1:1", "bauta_old").unwrap();
        write(&file, "http://127.0.0.1:8080", "bauta_ey.x-_y").unwrap();

        let read_in = format!(". {} && exec sh -c env", quoted(file.to_str().unwrap()));
        let told = Command::new("sh")
            .args(["-c", &read_in])
            .env("ANTHROPIC_API_KEY", "sk-real")
            .output()
            .unwrap();

        let told = String::from_utf8(told.stdout).unwrap();
        for (name, value) in variables("http://127.0.0.1:8080", "bauta_ey.x-_y") {
            let line = format!("{name}={value}");
            assert!(told.lines().any(|it| it == line), "{line} is not in {told}");
        }
        assert!(!told.contains("ANTHROPIC_API_KEY"), "{told}");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(token(&file).unwrap(), "bauta_ey.x-_y");
    }
}
