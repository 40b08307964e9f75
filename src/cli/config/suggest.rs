//! Suggestions for misspelled names.

/// Returns the known name that is most similar to `name`, if one is similar enough.
pub(super) fn closest_name<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let ranked = known.iter().map(|word| (strsim::jaro_winkler(name, word), *word));
    let best = ranked.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(similarity, _)| *similarity > 0.8);
    best.map(|(_, word)| word)
}
