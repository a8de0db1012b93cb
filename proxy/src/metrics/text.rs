//! The text form itself: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

/// Lines on their way to a scraper.
#[derive(Default)]
pub(super) struct Text(String);

/// What a family is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _never = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of it. Values of labels are constants and names, in which nothing is to be escaped.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _never = write!(self.0, "{open}{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _never = writeln!(self.0, " {value}");
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A whole number of thousandths or millionths as the decimal that it is.
pub(super) struct Decimal {
    pub(super) value: u64,
    /// 1,000 or 1,000,000.
    pub(super) per_one: u64,
}

impl Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.value.checked_div(self.per_one).unwrap_or(0);
        let rest = self.value.checked_rem(self.per_one).unwrap_or(0);
        let digits = usize::try_from(self.per_one.checked_ilog10().unwrap_or(0)).unwrap_or(0);
        write!(f, "{whole}.{rest:0digits$}")
    }
}
