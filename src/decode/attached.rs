//! What a customer attaches to a message and the provider passes on: Twilio's
//! `tags`, Amazon's `context`, Cognito's `clientMetadata`. Providers know no
//! client address, so these keys are read where they are there (the first that
//! fits; a value that does not fit is passed over):
//!
//! | Of the client | Keys |
//! |---|---|
//! | address | `ip`, `ipAddress`, `ip_address`, `clientIp`, `client_ip` |
//! | autonomous system | `asn` |
//! | country | `ipCountry`, `ip_country`, `clientCountry` |
//! | device | `deviceId`, `device_id`, `device` |
//! | user agent | `userAgent`, `user_agent` |
//!
//! | Of the message | Keys | Read from |
//! |---|---|---|
//! | session | `session`, `session_id`, `sessionId` | `tags`, `context` |
//! | tenant, app | `tenant`, `app` | `context`, where the input names none |
//!
//! Cognito's `clientMetadata` comes from the caller's own device, so it is
//! believed about the client and about nothing else.

use std::net::IpAddr;

use compact_str::CompactString;
use serde_json::Value;

use super::canonical::{ID_BYTES_MAX, NAME_BYTES_MAX, USER_AGENT_BYTES_MAX};
use super::{RecordMeta, json};
use crate::model::{Client, DEFAULT_NAME, Region};

/// The client's side, as far as the map tells it.
pub(super) fn client(map: &Value) -> Client {
    let ip_keys = ["ip", "ipAddress", "ip_address", "clientIp", "client_ip"];
    let country_keys = ["ipCountry", "ip_country", "clientCountry"];
    Client {
        ip: first(map, &ip_keys, 64, |text| {
            text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
        }),
        asn: first(map, &["asn"], 16, |text| text.trim_start_matches("AS").parse().ok()),
        country: first(map, &country_keys, 3, |text| Region::parse(&text)),
        device: first(map, &["deviceId", "device_id", "device"], ID_BYTES_MAX, Some),
        user_agent: first(map, &["userAgent", "user_agent"], USER_AGENT_BYTES_MAX, Some),
    }
}

/// The session that joins the message with its verification.
pub(super) fn session(map: &Value) -> Option<CompactString> {
    first(map, &["session", "session_id", "sessionId"], ID_BYTES_MAX, Some)
}

/// Tenant and app: the input's, else the map's, else `default`.
pub(super) fn owner(meta: &RecordMeta<'_>, map: &Value) -> (CompactString, CompactString) {
    let of = |configured: Option<&str>, key: &str| {
        configured
            .map(CompactString::from)
            .or_else(|| first(map, &[key], NAME_BYTES_MAX, |name| (name != "*").then_some(name)))
            .unwrap_or_else(|| DEFAULT_NAME.into())
    };
    (of(meta.default_tenant, "tenant"), of(meta.default_app, "app"))
}

/// The first of the keys whose value `read` can use.
fn first<T>(map: &Value, keys: &[&str], bytes_max: usize, read: impl Fn(CompactString) -> Option<T>) -> Option<T> {
    keys.iter()
        .find_map(|key| json::name(map, key, bytes_max).and_then(&read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_passed_over() {
        let client = client(
            &json!({"ip": "somewhere", "ipAddress": "203.0.113.7", "asn": "AS64500", "country": "US",
            "ipCountry": "usa", "deviceId": "", "userAgent": "Mozilla/5.0"}),
        );
        assert_eq!(client.ip, Some("203.0.113.7".parse().unwrap()));
        assert_eq!(client.asn, Some(64_500));
        assert_eq!((client.country, client.device), (None, None));
        assert_eq!(client.user_agent.as_deref(), Some("Mozilla/5.0"));
        assert_eq!(super::client(&json!("text")), Client::default());
    }
}
