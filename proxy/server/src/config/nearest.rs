//! The known word that an unknown one most resembles.

/// ` (did you mean "listen"?)` for serde's message about an unknown field, else nothing.
pub(super) fn hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next().filter(|_| message.contains("unknown field")) else {
        return String::new();
    };
    meant(unknown, quoted)
}

/// ` (did you mean "..."?)` for the one of `known` that `unknown` most resembles, if one does.
pub(crate) fn meant<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known
        .map(|known| (distance(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2);
    best.map_or(String::new(), |(_, known)| {
        format!(" (did you mean \"{known}\"?)")
    })
}

/// Levenshtein's: insertions, deletions and substitutions.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = substituted
                .min(cell.saturating_add(1))
                .min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named() {
        let message = "unknown field `lisen`, expected one of `public_url`, `listen`";

        assert_eq!(hint(message), " (did you mean \"listen\"?)");
        assert_eq!(hint("unknown field `zzzzzz`, expected `listen`"), "");
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, d) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(a, b), d);
        }
    }
}
