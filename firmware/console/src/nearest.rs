//! "Did you mean": the word that is the fewest slips of the finger away.

/// The nearest of `words`, if it is near: one slip for short words, two for longer ones.
pub(crate) fn nearest(typed: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let most = if typed.len() <= 3 { 1 } else { 2 };
    let rated = words.map(|word| (distance(typed.as_bytes(), word.as_bytes()), word));
    rated
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Letters to be put in, left out, replaced or exchanged with their neighbour (optimal string alignment).
fn distance(typed: &[u8], word: &[u8]) -> u8 {
    if typed.len() > LONGEST || word.len() > LONGEST {
        return u8::MAX;
    }
    // Three rows of the usual table: the one before the last, the last, and the one being filled.
    let mut rows = [[0; LONGEST + 1]; 3];
    for (column, cell) in (0..).zip(&mut rows[1]) {
        *cell = column;
    }
    for (n, a) in typed.iter().enumerate() {
        let [older, old, new] = &mut rows;
        new[0] = n as u8 + 1;
        for (m, b) in word.iter().enumerate() {
            let replaced = old[m] + u8::from(a != b);
            let mut least = replaced.min(old[m + 1] + 1).min(new[m] + 1);
            if n > 0 && m > 0 && typed[n - 1] == *b && *a == word[m - 1] {
                least = least.min(older[m - 1] + 1);
            }
            new[m + 1] = least;
        }
        rows.rotate_left(1);
    }
    rows[1][word.len()]
}

/// Longer words are like none.
const LONGEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        for (typed, word, slips) in [
            ("", "", 0),
            ("show", "show", 0),
            ("shwo", "show", 1),
            ("sow", "show", 1),
            ("reobot", "reboot", 1),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(typed.as_bytes(), word.as_bytes()), slips, "{typed} {word}");
        }
        assert_eq!(nearest("comit", ["commit", "export"].into_iter()), Some("commit"));
        assert_eq!(nearest("zzzzz", ["commit", "export"].into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100), ["commit"].into_iter()), None);
    }
}
