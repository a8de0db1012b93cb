//! `bauta login`: signs this machine in, in the browser or with a code.

use std::io::{self, IsTerminal};

use bauta_agent::{
    keep::FileKeep,
    login::{Issued, LoginError, device::Device, room, settle},
    server::Server,
};
use bauta_token::scope::Name;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::{Exit, Failure, mine, print};
use crate::ambient::{SystemClock, SystemRandomness};

/// Sign this machine in
#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// The server's address; the one signed in to, when it is left out
    #[arg(value_name = "SERVER", env = "BAUTA_URL")]
    server: Option<String>,
    /// Show a code to type on another machine; only where your organisation allows it
    #[arg(long)]
    device: bool,
    /// What for; left out, the page lets you choose
    #[arg(long, value_name = "SCOPE", value_parser = mine::name)]
    scope: Option<Name>,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
}

pub(crate) async fn run(login: Login) -> Result<Exit, Failure> {
    mine::hide();
    let keep = mine::keep()?;
    let at = mine::server(&keep, login.server.as_deref()).await?;
    let found = Server::discover(&at).await;
    let server = found.map_err(|error| mine::of_call(&error, &at.to_string()))?;
    let done = sign_in(&login, &keep, &server).await;
    let scope = done.map_err(|error| mine::of_login(&error, &at))?;
    print::line(format!("Signed in to {at} for the scope {scope}."));
    print::line("Next: `bauta run -- claude`, or `bauta env` for your other tools.");
    Ok(Exit::Done)
}

async fn sign_in(login: &Login, keep: &FileKeep, server: &Server) -> Result<Name, LoginError> {
    room(keep, server).await?;
    let scope = login.scope.as_ref();
    let issued = if login.device {
        with_code(server, scope).await?
    } else {
        in_browser(server, scope, login.no_browser).await?
    };
    let scope = issued.scope.clone();
    settle(keep, server, issued).await?;
    Ok(scope)
}

async fn in_browser(
    server: &Server,
    scope: Option<&Name>,
    no_browser: bool,
) -> Result<Issued, LoginError> {
    let waiting = server.begin(scope, &SystemRandomness::default()).await?;
    print::line("Sign in on this page, in a browser on this machine:");
    print::line(format!("  {}", waiting.url()));
    if !no_browser && !mine::open(waiting.url()) {
        print::line(
            "No browser could be opened. If there is none on this machine, `bauta login --device` \
             shows a code instead, where your organisation allows it.",
        );
    }
    server.finish(waiting, &SystemClock).await
}

async fn with_code(server: &Server, scope: Option<&Name>) -> Result<Issued, LoginError> {
    let device = server.begin_device(scope).await?;
    for line in instructions(&device) {
        print::line(line);
    }
    server.finish_device(device, &SystemClock).await
}

fn instructions(device: &Device) -> Vec<String> {
    let link = device.link.as_ref().unwrap_or(&device.page);
    let mut lines = Vec::new();
    if io::stdout().is_terminal() {
        lines.extend(qr(link.as_str()));
    }
    lines.push(format!(
        "Open {} and type the code {}",
        device.page, device.user_code
    ));
    lines.extend(device.notice.clone());
    lines.push(
        "If the page says that you are not verified, verify there and type the code again."
            .to_owned(),
    );
    lines
}

/// Light on dark, as most terminals are; readers take either.
fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_blocks_that_fit_a_terminal() {
        let drawn = qr("https://ai.example.com/device?user_code=BCDF-GHJK").unwrap();

        let widths: Vec<_> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|w| *w == widths[0] && *w <= 60));
        assert!(drawn.chars().all(|c| " ▀▄█\n".contains(c)));
        assert!(drawn.contains('▀'));
    }
}
