//! Ending a sign-in: at the server first (RFC 7009), then here.

use thiserror::Error;

use crate::{
    call::CallError,
    grant::Grant,
    keep::{Keep, KeepError, hold},
    server::Server,
};

impl Server {
    /// Ends the grant that these tokens are of. That it is unknown there is as good.
    pub(crate) async fn revoke(&self, grant: &Grant) -> Result<(), CallError> {
        let form = [
            ("token", grant.refresh.reveal()),
            ("token_type_hint", "refresh_token"),
        ];
        self.caller.post(self.revoke.clone(), &form).await.map(drop)
    }
}

/// What becomes of a sign-in whose server does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unanswered {
    /// It stays: what was not ended there is not forgotten here.
    Stays,
    /// It is forgotten all the same, and lives on at the server until it lapses.
    Forgotten,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ended {
    /// Here and there.
    Everywhere,
    /// Here only: the server did not answer.
    Here,
    /// There was none.
    Nothing,
}

/// Ends all that is kept.
///
/// # Errors
///
/// When the server does not end it, unless it may be forgotten all the same.
pub async fn end(keep: &dyn Keep, unanswered: Unanswered) -> Result<Ended, EndError> {
    let mut held = hold(keep).await?;
    let sign_in = match held.read() {
        Ok(Some(sign_in)) => sign_in,
        Ok(None) => return Ok(Ended::Nothing),
        // What does not read cannot be ended there; it can be forgotten.
        Err(KeepError::Broken { .. }) if unanswered == Unanswered::Forgotten => {
            held.forget()?;
            return Ok(Ended::Here);
        }
        Err(error) => return Err(error.into()),
    };
    let told = async {
        let server = Server::discover(&sign_in.issuer).await?;
        for grant in sign_in.grants.values() {
            server.revoke(grant).await?;
        }
        Ok(())
    };
    match told.await {
        Ok(()) => {
            held.forget()?;
            Ok(Ended::Everywhere)
        }
        Err(error) if unanswered == Unanswered::Stays => Err(EndError::Call(error)),
        Err(_) => {
            held.forget()?;
            Ok(Ended::Here)
        }
    }
}

/// Why a sign-in goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EndError {
    /// The server did not end it.
    #[error(transparent)]
    Call(CallError),
    /// It cannot be read or forgotten.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fake::Fake,
        grant::tests::{name, sign_in},
        keep::FileKeep,
    };

    async fn signed_in() -> (Fake, FileKeep, tempfile::TempDir) {
        let (fake, home) = (Fake::start().await, tempfile::tempdir().unwrap());
        let keep = FileKeep::new(home.path().join("bauta"));
        let mut kept = sign_in(&["frontier", "local"]);
        kept.issuer = fake.origin();
        keep.try_hold().unwrap().unwrap().write(&kept).unwrap();
        (fake, keep, home)
    }

    fn is_kept(keep: &FileKeep) -> bool {
        keep.try_hold().unwrap().unwrap().read().unwrap().is_some()
    }

    #[tokio::test]
    async fn each_grant_is_ended_at_the_server_before_anything_is_forgotten() {
        let (fake, keep, _home) = signed_in().await;
        let refresh = {
            let kept = keep.try_hold().unwrap().unwrap().read().unwrap().unwrap();
            let grant = &kept.grants[&name("local")];
            grant.refresh.reveal().to_owned()
        };
        fake.answers(200, fake.metadata());
        fake.answers(200, "");
        fake.answers(200, "");

        let ended = end(&keep, Unanswered::Stays).await.unwrap();
        let again = end(&keep, Unanswered::Stays).await.unwrap();

        assert_eq!((ended, again), (Ended::Everywhere, Ended::Nothing));
        let revoked = fake.requests();
        assert_eq!(revoked.len(), 3);
        assert!(revoked.iter().any(|request| request.contains(&refresh)));
        assert!(!is_kept(&keep));
    }

    #[tokio::test]
    async fn what_the_server_did_not_end_stays_unless_it_may_be_forgotten() {
        let (fake, keep, _home) = signed_in().await;
        fake.answers(200, fake.metadata());
        fake.answers(200, "");
        fake.answers(503, "");

        let refused = end(&keep, Unanswered::Stays).await.err().unwrap();
        let stayed = is_kept(&keep);
        let forgotten = end(&keep, Unanswered::Forgotten).await.unwrap();

        assert!(matches!(refused, EndError::Call(CallError::Busy)));
        assert!(stayed);
        assert_eq!(forgotten, Ended::Here);
        assert!(!is_kept(&keep));
    }
}
