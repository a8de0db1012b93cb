//! The sandbox by itself, for a browser, a vendor's SDK or `curl`. Ends with Ctrl-C.

use bauta_sandbox::idp::Client;
use bauta_sandbox::{Options, Ports, Sandbox};
use std::io::{Write as _, stdout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = Options {
        ports: Ports {
            idp: 7101,
            persona: 7102,
            anthropic: 7103,
            openai: 7104,
            gemini: 7105,
        },
        ..Options::default()
    };
    let sandbox = Sandbox::start(options)?;
    sandbox.idp.register(Client::new(
        "demo",
        "demo",
        "http://127.0.0.1:7100/callback",
    ));
    writeln!(
        stdout(),
        "issuer     {}\npersona    {}\nanthropic  {}\nopenai     {}/v1\ngemini     {}",
        sandbox.idp.issuer(),
        sandbox.persona.api_base(),
        sandbox.anthropic.url(),
        sandbox.openai.url(),
        sandbox.gemini.url(),
    )?;
    tokio::signal::ctrl_c().await?;
    sandbox.shutdown().await;
    Ok(())
}
