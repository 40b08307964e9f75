//! Hides a Redis URL with a password from the list of processes.

use std::ffi::OsString;

/// Set for the program that is started again, so that it knows that its URL was typed.
const URL_WAS_TYPED: &str = "RQ_RS_URL_WAS_TYPED";

/// Returns whether the URL was typed, rather than set in the environment.
pub(crate) fn url_was_typed() -> bool {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    split_url(&arguments).1.is_some() || std::env::var_os(URL_WAS_TYPED).is_some()
}

/// Moves a URL with a password from the arguments, which everybody on the machine can read, to the environment: the
/// process executes the same program again. Returns the error if that fails.
pub(crate) fn hide_password(arguments: &[OsString]) -> Option<std::io::Error> {
    use std::os::unix::process::CommandExt;
    let (kept, url) = split_url(arguments);
    let url = url.filter(|url| has_password(url))?;
    let (name, rest) = kept.split_first()?;
    let program = std::env::current_exe().ok()?;
    let error = std::process::Command::new(program)
        .arg0(name)
        .args(rest)
        .env("RQ_REDIS_URL", url)
        .env(URL_WAS_TYPED, "1")
        .exec();
    Some(error)
}

/// Splits the arguments into the URL and all others. The URL is written as `-u URL`, `-uURL`, `--url URL` or
/// `--url=URL`, also at the end of other short options, as in `-bu URL`. Arguments after `--` are left alone.
fn split_url(arguments: &[OsString]) -> (Vec<OsString>, Option<String>) {
    let (mut kept, mut url) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            kept.push(argument.clone());
            kept.extend(rest.by_ref().cloned());
        } else if text == "--url" {
            url = rest.next().map(|value| value.to_string_lossy().into_owned());
        } else if let Some(value) = text.strip_prefix("--url=") {
            url = Some(value.to_owned());
        } else if let Some((others, value)) = short_url(&text) {
            url = match value {
                "" => rest.next().map(|value| value.to_string_lossy().into_owned()),
                value => Some(value.trim_start_matches('=').to_owned()),
            };
            kept.extend((!others.is_empty()).then(|| OsString::from(format!("-{others}"))));
        } else {
            kept.push(argument.clone());
        }
    }
    (kept, url)
}

/// Splits a group of short options at its `u`, if a URL or nothing follows: `-bu` into `b` and an empty value.
fn short_url(text: &str) -> Option<(&str, &str)> {
    let cluster = text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'))?;
    let (others, value) = cluster.split_once('u')?;
    let are_flags = others.chars().all(|c| c.is_ascii_alphabetic());
    (are_flags && (value.is_empty() || value.contains("://"))).then_some((others, value))
}

fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        || parameters.split('&').any(|pair| pair.starts_with("pass") || pair.starts_with("sentinel_pass"))
}

#[cfg(test)]
mod tests {
    use super::{has_password, split_url};

    #[test]
    fn the_url_is_found_in_every_spelling() {
        for words in ["w -u URL -b", "w --url URL -b", "w --url=URL -b"] {
            let arguments: Vec<_> = words.split(' ').map(Into::into).collect();
            let (kept, url) = split_url(&arguments);
            assert_eq!((kept, url.as_deref()), (vec!["w".into(), "-b".into()], Some("URL")), "{words}");
        }
        for words in ["w -b -uredis://x", "w -bu redis://x", "w -buredis://x"] {
            let arguments: Vec<_> = words.split(' ').map(Into::into).collect();
            let (kept, url) = split_url(&arguments);
            assert_eq!((kept, url.as_deref()), (vec!["w".into(), "-b".into()], Some("redis://x")), "{words}");
        }
        let (kept, url) = split_url(&["w", "-queue", "--", "-u", "x"].map(Into::into));
        assert_eq!((kept.len(), url), (5, None));
        let (kept, url) = split_url(&["w", "--", "-u", "x"].map(Into::into));
        assert_eq!((kept.len(), url), (4, None));
    }

    #[test]
    fn only_a_url_with_a_password_is_hidden() {
        assert!(has_password("redis://ada:secret@localhost"));
        assert!(has_password("redis://:secret@localhost"));
        assert!(has_password("unix:///x.sock?db=1&pass=secret"));
        assert!(has_password("redis+sentinel://a,b/jobs?sentinel_password=secret"));
        assert!(!has_password("redis://localhost:6379/1"));
        assert!(!has_password("redis://ada@localhost:6379"));
    }
}
