//! Signing in from a machine without a browser (RFC 8628), where policy allows it: the member types
//! a code on another one.

use std::time::Duration;

use bauta_token::{
    ambient::Clock,
    scope::Name,
    secret::{DeviceCode, Plain},
};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use url::Url;

use super::{CLIENT, Issued, LoginError, issued};
use crate::{
    call::{CallError, Refusal},
    server::{Server, plain},
};

/// A sign-in that waits for its code to be typed.
pub struct Device {
    /// What is typed: letters, digits and a hyphen.
    pub user_code: String,
    /// Where.
    pub page: Url,
    /// The same with the code in it, for a QR code; a person still sends it.
    pub link: Option<Url>,
    /// What the server wants to be read beside the code.
    pub notice: Option<String>,
    code: Plain<DeviceCode>,
    life: Duration,
    pause: Duration,
}

#[derive(Deserialize)]
struct Begun<'a> {
    device_code: &'a str,
    user_code: &'a str,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
    login_notice: Option<String>,
}

impl Server {
    /// Begins a sign-in by code, for `scope` or for what the member will choose.
    ///
    /// # Errors
    ///
    /// When policy has no such sign-ins, or the server is not reached.
    pub async fn begin_device(&self, scope: Option<&Name>) -> Result<Device, LoginError> {
        let Some(endpoint) = self.device.clone() else {
            return Err(Refusal::Way.into());
        };
        let mut form = vec![("client_id", CLIENT), ("surface", "bauta_cli")];
        form.extend(scope.map(|scope| ("scope", scope.as_str())));
        let answer = self.caller.post(endpoint, &form).await?;
        let begun: Begun<'_> = answer.read()?;
        let code = Plain::parse(begun.device_code);
        let page = self.issuer.own(&begun.verification_uri);
        let typed = begun.user_code;
        let simple = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        let fits = (4..=20).contains(&typed.len()) && typed.bytes().all(simple);
        let (Some(code), Some(page), true) = (code, page, fits) else {
            return Err(CallError::Garbled.into());
        };
        let link = begun.verification_uri_complete.as_deref();
        Ok(Device {
            user_code: typed.to_owned(),
            page,
            link: link.and_then(|link| self.issuer.own(link)),
            notice: begun.login_notice.as_deref().map(plain),
            code,
            life: Duration::from_secs(begun.expires_in.min(LONGEST)),
            pause: Duration::from_secs(begun.interval.clamp(1, SLOWEST)),
        })
    }

    /// Waits until the code was answered, and gives what came of it.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the answer is no.
    pub async fn finish_device(
        &self,
        device: Device,
        clock: &dyn Clock,
    ) -> Result<Issued, LoginError> {
        let life = device.life;
        let polled = timeout(life, self.poll(&device, clock)).await;
        polled.map_err(|_| LoginError::from(Refusal::Expired))?
    }

    async fn poll(&self, device: &Device, clock: &dyn Clock) -> Result<Issued, LoginError> {
        let form = [
            ("grant_type", GRANT),
            ("client_id", CLIENT),
            ("device_code", device.code.reveal()),
        ];
        let mut pause = device.pause;
        loop {
            sleep(pause).await;
            let asked_at = clock.now();
            match self.caller.post(self.token.clone(), &form).await {
                Ok(answer) => return Ok(issued(&answer, asked_at)?),
                Err(error) => pause = wait(pause, error)?,
            }
        }
    }
}

/// How long to wait before the next poll; an error when there is none.
fn wait(pause: Duration, error: CallError) -> Result<Duration, CallError> {
    match error {
        CallError::Refused(Refusal::Pending) => Ok(pause),
        // Section 3.5: five seconds longer from now on; the same when nothing answers.
        CallError::Refused(Refusal::SlowDown) | CallError::Unreachable(_) | CallError::Busy => {
            Ok(pause.saturating_add(SLOWER))
        }
        error => Err(error),
    }
}

const fn five() -> u64 {
    5
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SLOWER: Duration = Duration::from_secs(5);
/// Half an hour.
const LONGEST: u64 = 1_800;
const SLOWEST: u64 = 60;

#[cfg(test)]
mod tests;
