//! The name that a misspelt name most likely stands for.

/// The known name that is most similar, unless more than a third of the letters differ.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = snake_case(name);
    let nearest = known.map(|known| (distance(known, &name), known)).min();
    nearest.filter(|(distance, _)| *distance <= name.len() / 3).map(|(_, known)| known)
}

/// Converts a path from JSON, such as `inputAttachments`, to `input_attachments`.
fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The Levenshtein distance: the number of bytes to insert, remove or replace to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row = (0..=b.len()).collect::<Vec<_>>();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_has_at_most_a_third_of_the_letters_changed() {
        let nearest = |name| nearest(name, ["manifests", "mux_streams"].into_iter());
        for close in ["manifests", "manifest", "mannifests", "manifsts", "muxStreams", "manixxxts"]
        {
            assert!(nearest(close).is_some(), "{close}");
        }
        assert_eq!(nearest("manixxxxs"), None, "four of nine letters are wrong");
        assert_eq!(nearest("labels"), None);
    }

    #[test]
    fn the_distance_counts_insertions_removals_and_replacements() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a:?} {b:?}");
        }
    }
}
