//! What let a request in, and must be in no message: some proxies say back what they were sent, and so does Amazon's complaint about
//! a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What stands where a secret stood.
const REDACTED: &str = "(redacted)";
/// A shorter one may be in any text, as a part of its words.
const SHORT: usize = 6;

/// Passwords and tokens by themselves, of all requests so far: what quotes an answer does not know whose it is.
static BARE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The secrets of one request.
#[derive(Default)]
pub(crate) struct Secrets {
    /// What is sent, and a name with its secret: no name of anything can be one. The longest first: one may be a part of another.
    sent: Vec<String>,
    /// A password or token by itself. An index may have such a name, so it is taken out of words alone, and of messages.
    bare: Vec<String>,
    /// Taken out of refusals alone, and where they stand by themselves.
    short: Vec<String>,
}

impl Secrets {
    /// The values of these headers, and the parts that are secret by themselves, each as it is and as JSON writes it.
    pub(crate) fn of(headers: &[(String, String)]) -> Self {
        let (mut sent, mut bare, mut short) = (Vec::new(), Vec::new(), Vec::new());
        for (_, value) in headers {
            sent.push(value.clone());
            let rest = value.split_once(' ').unwrap_or_default().1;
            // Of `Basic` and `ApiKey`: a name or an id, and the secret.
            let pair = STANDARD.decode(rest).ok().and_then(|pair| String::from_utf8(pair).ok());
            match pair.as_deref().and_then(|pair| pair.split_once(':')) {
                Some((_, secret)) => {
                    if secret.len() < SHORT { &mut short } else { &mut bare }.push(secret.to_string());
                    sent.extend([rest.to_string(), pair.clone().unwrap_or_default()]);
                }
                None => bare.push(rest.to_string()),
            }
        }
        for all in [&mut sent, &mut bare] {
            all.retain(|secret| secret.len() >= SHORT);
        }
        for all in [&mut sent, &mut bare, &mut short] {
            let written: Vec<String> =
                all.iter().map(|secret| serde_json::Value::from(secret.as_str()).to_string()).collect();
            all.extend(written.iter().map(|text| text[1..text.len() - 1].to_string()));
            all.retain(|secret| !secret.is_empty());
            all.sort();
            all.dedup();
            all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
        BARE.lock().unwrap_or_else(PoisonError::into_inner).extend(bare.iter().cloned());
        Self { sent, bare, short }
    }

    /// A string of an answer without the secrets that it cannot mean: a name has no spaces, and may be a password too.
    pub(crate) fn of_data<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains(char::is_whitespace) { self.without(text) } else { replaced(text.into(), &self.sent) }
    }

    /// A text for a message, without the secrets that no other word can be.
    pub(crate) fn without<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replaced(replaced(text.into(), &self.sent), &self.bare)
    }

    /// A word of a refusal without any of them.
    pub(crate) fn hide(&self, text: &mut String) {
        *text = self.without(text).into_owned();
        for secret in &self.short {
            *text = without_token(text, secret);
        }
    }
}

/// What is quoted of an answer, without any password or token that was used so far.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let bare = BARE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut longest_first: Vec<&String> = bare.iter().collect();
    longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    replaced(text.into(), longest_first)
}

fn replaced<'t, 's>(mut text: Cow<'t, str>, secrets: impl IntoIterator<Item = &'s String>) -> Cow<'t, str> {
    for secret in secrets {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED).into();
        }
    }
    text
}

/// A text without this word, where it is not a part of a longer one.
fn without_token(text: &str, word: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        kept.push_str(before);
        let joined = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let part = joined(kept.chars().next_back()) || joined(after.chars().next());
        kept.push_str(if part { word } else { REDACTED });
        rest = after;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Secrets {
        Secrets::of(&[("authorization".to_string(), value.to_string())])
    }

    fn hidden(secrets: &Secrets, text: &str) -> String {
        let mut text = text.to_string();
        secrets.hide(&mut text);
        text
    }

    #[test]
    fn headers_that_are_said_back_are_taken_out_and_all_else_stays() {
        // user:pass-word
        let secrets = of("Basic dXNlcjpwYXNzLXdvcmQ=");
        let said =
            "authorization: Basic dXNlcjpwYXNzLXdvcmQ=; again dXNlcjpwYXNzLXdvcmQ=, pass-word, user:pass-word; x-y: z";
        let left = "authorization: (redacted); again (redacted), (redacted), (redacted); x-y: z";
        assert_eq!(secrets.without(said), left);
        assert!(matches!(secrets.without("user and password"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_name_in_an_answer_stays_though_it_is_the_password_and_words_do_not() {
        let secrets = of(&format!("Basic {}", STANDARD.encode("user:logs-2018")));
        assert_eq!(secrets.of_data("logs-2018"), "logs-2018");
        assert_eq!(secrets.of_data("old-logs-2018-01"), "old-logs-2018-01");
        assert_eq!(secrets.of_data("wrong password logs-2018"), "wrong password (redacted)");
        assert_eq!(secrets.of_data("user:logs-2018"), "(redacted)", "no name has a colon");
        assert_eq!(quoted(r#"{"password":"logs-2018"}"#), r#"{"password":"(redacted)"}"#);
        let secrets = of("Bearer logs-2019");
        assert_eq!(
            (secrets.of_data("logs-2019"), secrets.of_data("Bearer logs-2019")),
            ("logs-2019".into(), "(redacted)".into())
        );
        assert_eq!(quoted("logs-2018 logs-2019"), "(redacted) (redacted)");
    }

    #[test]
    fn a_password_is_found_as_json_writes_it_too() {
        let secrets = of(&format!("Basic {}", STANDARD.encode(r#"user:pass"wo\rd"#)));
        assert_eq!(secrets.without(r#"is pass"wo\rd, written pass\"wo\\rd"#), "is (redacted), written (redacted)");
    }

    #[test]
    fn the_secret_of_an_api_key_is_taken_out() {
        let secrets = of(&format!("ApiKey {}", STANDARD.encode("some-id:some-secret")));
        assert_eq!(
            secrets.without("[some-id:some-secret] some-secret of some-id"),
            "[(redacted)] (redacted) of some-id"
        );
    }

    #[test]
    fn a_short_password_is_taken_out_of_refusals_where_it_stands_alone() {
        let secrets = of(&format!("Basic {}", STANDARD.encode("user:abc")));
        assert_eq!(
            hidden(&secrets, "password abc, \"abc\", abcd and xabc"),
            "password (redacted), \"(redacted)\", abcd and xabc"
        );
        assert_eq!(secrets.without("abc"), "abc", "an index may have this name");
        assert_eq!(hidden(&of("Basic dXNlcjo="), "nothing"), "nothing", "no password at all");
    }
}
