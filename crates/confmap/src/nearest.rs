/// Longer names are never compared: nobody means a key of this length.
const MAX_LEN: usize = 64;

/// The known key that a mistyped `name` most likely means, if one is close enough.
///
/// Close is: the same but for case and `_`, `-`, `.`; a beginning or an end of the other of at
/// least three characters; or an edit distance of at most a third of the length.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = fold(name)?;
    if name.is_empty() {
        return None;
    }
    let rank = |candidate: &'a str| Some((distance(&name, &fold(candidate)?)?, candidate));
    known.into_iter().filter_map(rank).min_by_key(|(distance, _)| *distance).map(|(_, key)| key)
}

fn fold(name: &str) -> Option<Vec<char>> {
    if name.len() > MAX_LEN {
        return None;
    }
    let kept = name.chars().filter(|c| !matches!(c, '_' | '-' | '.'));
    Some(kept.flat_map(char::to_lowercase).collect())
}

/// `None` if too far; a part counts as the worst accepted distance.
fn distance(name: &[char], known: &[char]) -> Option<usize> {
    let longer = name.len().max(known.len());
    let limit = (longer / 3).max(1);
    let edits = edit_distance(name, known);
    if edits <= limit && edits < longer {
        return Some(edits);
    }
    let (short, long) = if name.len() < known.len() { (name, known) } else { (known, name) };
    let is_part = short.len() >= 3 && (long.starts_with(short) || long.ends_with(short));
    is_part.then_some(longer)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &left) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        row.push(i + 1);
        for (j, &right) in b.iter().enumerate() {
            let replace = above[j] + usize::from(left != right);
            let mut best = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["endpoint", "aggregation_interval", "enable_metric_type", "tls", "timeout"];

    #[test]
    fn finds_what_was_meant() {
        for (typed, meant) in [
            ("endpiont", Some("endpoint")),
            ("Endpoint", Some("endpoint")),
            ("aggregationInterval", Some("aggregation_interval")),
            ("aggregation", Some("aggregation_interval")),
            ("interval", Some("aggregation_interval")),
            ("enable_metric_types", Some("enable_metric_type")),
            ("time_out", Some("timeout")),
            ("tsl", Some("tls")),
            ("xyz", None),
            ("", None),
            ("compression", None),
        ] {
            assert_eq!(nearest(typed, KEYS), meant, "{typed}");
        }
    }

    #[test]
    fn the_closest_wins() {
        assert_eq!(nearest("batchs", ["batcher", "batch"]), Some("batch"));
    }

    #[test]
    fn long_names_are_not_compared() {
        assert_eq!(nearest(&"e".repeat(MAX_LEN + 1), KEYS), None);
    }

    #[test]
    fn distances() {
        let count =
            |a: &str, b: &str| edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("ab", "ba"), 1);
        assert_eq!(count("", "abc"), 3);
    }
}
