//! The one module that writes to the terminal.

use std::io::{self, IsTerminal, Write};

/// A line for people or pipes. A closed pipe ends the program quietly, as other tools do.
pub fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).is_err() {
        std::process::exit(0);
    }
}

/// A line on standard error.
pub fn note(text: impl AsRef<str>) {
    // There is nowhere left to report a failure to report.
    drop(writeln!(io::stderr().lock(), "{}", text.as_ref()));
}

/// Bold and dim on a terminal that wants colour, plain elsewhere (<https://no-color.org>).
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// As standard output wants it.
    #[must_use]
    pub fn of_stdout() -> Self {
        Self {
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// For headings.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For asides.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For what went well.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
