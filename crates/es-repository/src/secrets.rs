//! URLs and messages without what nobody else may read.

/// A URL without userinfo, query and fragment.
#[must_use]
pub fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) =
                rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => plain.to_owned(),
    }
}

/// A message in which every URL has been treated so.
pub(crate) fn message_without_secrets(message: &str) -> String {
    message
        .split_inclusive([' ', '\n', '(', ')', '"', '<', '>'])
        .map(|word| {
            let url = word.trim_end_matches([' ', '\n', '(', ')', '"', '<', '>']);
            if url.contains("://") { without_secrets(url) + &word[url.len()..] } else { word.to_owned() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_where_but_not_with_which_password() {
        assert_eq!(without_secrets("http://me:secret@h:1/a?sig=secret#secret"), "http://h:1/a");
        assert_eq!(without_secrets("secret?x"), "secret");
        assert_eq!(
            message_without_secrets("GET http://me:secret@h/a?sig=secret failed: url (https://h/?x=secret): why?"),
            "GET http://h/a failed: url (https://h/): why?"
        );
    }
}
