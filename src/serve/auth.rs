//! Bearer tokens.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::config::Secret;

/// The tokens that open the door, kept as hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(Vec<blake3::Hash>);

impl Tokens {
    pub(super) fn new(tokens: &[Secret]) -> Self {
        Self(tokens.iter().map(|token| blake3::hash(token.expose())).collect())
    }

    /// Whether the request may pass: always where no token is configured,
    /// which the configuration allows on loopback only.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(offered) = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
            return false;
        };
        let offered = blake3::hash(offered);
        // Hashes compare in constant time, and every token is looked at: the
        // time tells neither how much of a token was right nor which one it was.
        self.0.iter().filter(|token| **token == offered).count() > 0
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_configured_token_passes() {
        let tokens = Tokens::new(&[Secret::new("0123456789abcdef"), Secret::new("fedcba9876543210")]);
        let admit = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            tokens.admit(&headers)
        };
        assert!(admit(Some("Bearer 0123456789abcdef")));
        assert!(admit(Some("bearer  fedcba9876543210 ")));
        for wrong in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer 0123456789abcde"),
            Some("Basic 0123456789abcdef"),
        ] {
            assert!(!admit(wrong), "{wrong:?}");
        }
        assert!(Tokens::default().admit(&HeaderMap::new()));
    }
}
