//! An error and its causes as one sentence.

use std::error::Error;

/// `what: why: why`, each said once: some errors repeat their cause in their own words.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !last.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
            last = next;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let cause = std::io::Error::other("it is in use");
        let wraps = anyhow::Error::new(cause).context("talking failed: it is in use");
        let whole = Err::<(), _>(wraps)
            .context("it cannot be opened")
            .unwrap_err();

        assert_eq!(
            chain(whole.as_ref()),
            "it cannot be opened: talking failed: it is in use"
        );
    }
}
