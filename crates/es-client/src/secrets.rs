//! What let a request in, and must be in no message: some proxies say back what they were sent, and so does Amazon's complaint about
//! a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// What stands where a secret stood.
const REDACTED: &str = "(redacted)";
/// A shorter one may be in any text, as a part of its words.
const SHORT: usize = 6;

/// The secrets of one request.
#[derive(Default)]
pub(crate) struct Secrets {
    /// The longest first: one may be a part of another.
    long: Vec<String>,
    /// Taken out of refusals alone, and where they stand by themselves: an index may have such a name.
    short: Vec<String>,
}

impl Secrets {
    /// The values of these headers, and the parts that are secret by themselves, each as it is and as JSON writes it.
    pub(crate) fn of(headers: &[(String, String)]) -> Self {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for (_, value) in headers {
            long.push(value.clone());
            let rest = value.split_once(' ').unwrap_or_default().1;
            long.push(rest.to_string());
            // Of `Basic` and `ApiKey`: a name or an id, and the secret.
            if let Ok(pair) = STANDARD.decode(rest)
                && let Ok(pair) = String::from_utf8(pair)
                && let Some((_, secret)) = pair.split_once(':')
            {
                if secret.len() < SHORT { &mut short } else { &mut long }.push(secret.to_string());
                long.push(pair);
            }
        }
        long.retain(|secret| secret.len() >= SHORT);
        for all in [&mut long, &mut short] {
            let written: Vec<String> =
                all.iter().map(|secret| serde_json::Value::from(secret.as_str()).to_string()).collect();
            all.extend(written.iter().map(|text| text[1..text.len() - 1].to_string()));
            all.retain(|secret| !secret.is_empty());
            all.sort();
            all.dedup();
            all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
        Self { long, short }
    }

    /// A text without the secrets that no other word can be.
    pub(crate) fn without<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.long {
            if text.contains(secret) {
                text = text.replace(secret, REDACTED).into();
            }
        }
        text
    }

    /// A word of a refusal without any of them.
    pub(crate) fn hide(&self, text: &mut String) {
        *text = self.without(text).into_owned();
        for secret in &self.short {
            *text = without_token(text, secret);
        }
    }
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
