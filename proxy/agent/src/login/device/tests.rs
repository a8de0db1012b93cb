use super::*;
use crate::{fake::Fake, grant::tests::Counted};

async fn begun(edit: impl Fn(String) -> String) -> Result<Device, LoginError> {
    let fake = Fake::start().await;
    fake.answers(200, fake.metadata());
    let server = Server::discover(&fake.origin()).await.unwrap();
    let at = fake.origin();
    let code = Plain::<DeviceCode>::generate(&Counted::default());
    fake.answers(
        200,
        edit(format!(
            "{{\"device_code\":\"{}\",\"user_code\":\"BCDF-GHJK\",\
             \"verification_uri\":\"{at}/device\",\
             \"verification_uri_complete\":\"{at}/device?user_code=BCDF-GHJK\",\
             \"expires_in\":600,\"interval\":5,\"login_notice\":\"Only if it was you.\"}}",
            code.reveal()
        )),
    );
    server.begin_device(None).await
}

#[tokio::test]
async fn a_code_is_shown_as_it_is_typed_and_only_for_a_page_of_the_server() {
    let device = begun(|text| text).await.unwrap();
    let elsewhere = begun(|text| text.replacen("/device\"", "0/device\"", 1)).await;
    let escape = begun(|text| text.replace("BCDF-GHJK\",", "\\u001b[2J\",")).await;

    assert_eq!(device.user_code, "BCDF-GHJK");
    assert!(device.page.as_str().ends_with("/device"));
    assert!(device.link.is_some());
    assert_eq!(device.notice.as_deref(), Some("Only if it was you."));
    assert_eq!((device.life.as_secs(), device.pause.as_secs()), (600, 5));
    assert!(elsewhere.is_err());
    assert!(escape.is_err());
}

#[tokio::test]
async fn no_server_makes_a_terminal_wait_for_a_day_or_ask_without_a_pause() {
    let device = begun(|text| {
        text.replace("600", "86400")
            .replace("\"interval\":5", "\"interval\":0")
    });
    let device = device.await.unwrap();

    assert_eq!((device.life.as_secs(), device.pause.as_secs()), (1_800, 1));
}

#[tokio::test]
async fn where_policy_has_no_codes_nothing_is_asked() {
    let fake = Fake::start().await;
    fake.answers(
        200,
        fake.metadata()
            .replace("device_authorization_endpoint", "x"),
    );
    let server = Server::discover(&fake.origin()).await.unwrap();

    let refused = server.begin_device(None).await.err().unwrap();

    assert!(matches!(
        refused,
        LoginError::Call(CallError::Refused(Refusal::Way))
    ));
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn a_poll_slows_down_when_told_and_ends_when_refused() {
    let five = Duration::from_secs(5);
    let after = |refusal| wait(five, CallError::Refused(refusal)).ok();

    assert_eq!(after(Refusal::Pending), Some(five));
    assert_eq!(after(Refusal::SlowDown), Some(five * 2));
    assert_eq!(wait(five, CallError::Busy).ok(), Some(five * 2));
    for end in [Refusal::Denied, Refusal::Expired, Refusal::Scope] {
        assert_eq!(after(end), None, "{end}");
    }
}
