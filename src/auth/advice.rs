//! What is allowed, and yet hardly meant: said at the start, and by `rillcast check`.

use tracing::warn;

use crate::auth::AuthConfig;
use crate::auth::grant::Action;
use crate::auth::tiers::{Door, Tiers};
use crate::id::RoomName;
use crate::limits;

/// A room that nobody has rules for, but where they are for all.
const OTHER: &str = "-another-room-that-nobody-names-0123456789-";

impl AuthConfig {
    /// What whoever puts the server on the internet should know of it, a sentence each.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        // What no pattern fits that leaves any room out.
        let other = RoomName::parse(OTHER);
        if Tiers::new(self).door(Action::Publish, other.as_ref()) == Door::Open {
            let rooms = if self.rooms.is_empty() { "" } else { ", in rooms without a token of their own" };
            advice.push(format!("everybody who reaches the server may publish{rooms}: AUTH_TOKEN is not set"));
        }
        let length = self.jwt.secret.as_ref().map(|secret| secret.expose().len());
        if let Some(length) = length.filter(|length| *length < limits::JWT_SECRET_BYTES) {
            advice.push(format!(
                "JWT_SECRET has {length} bytes, fewer than {}: whoever has one token may find it by trying",
                limits::JWT_SECRET_BYTES
            ));
        }
        advice
    }

    /// Logs it.
    pub fn warn(&self) {
        for advice in self.advice() {
            warn!("{advice}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::RoomAccess;
    use crate::auth::jwt::JwtConfig;
    use crate::id::RoomPattern;
    use crate::secret::Secret;

    #[test]
    fn what_is_said_of_it() {
        let token = Some(Secret::new("secret"));
        let open = AuthConfig::default();
        let admin = AuthConfig { admin_token: token.clone(), ..AuthConfig::default() };
        let guarded = AuthConfig { token: token.clone(), ..AuthConfig::default() };
        let play = AuthConfig { play_token: token.clone(), ..AuthConfig::default() };
        let webhook = AuthConfig { webhook_url: Some("http://localhost/".to_owned()), ..AuthConfig::default() };
        let rooms = |pattern| {
            let pattern = RoomPattern::parse(pattern).unwrap();
            let own = RoomAccess { pattern, token: token.clone(), play: None, play_token: None, publish_token: None };
            AuthConfig { rooms: vec![own], ..AuthConfig::default() }
        };
        let signed = |secret: String| AuthConfig {
            jwt: JwtConfig { secret: Some(Secret::new(&secret)), ..JwtConfig::default() },
            ..AuthConfig::default()
        };
        for (config, said) in [
            (open, &["everybody who reaches the server may publish: "][..]),
            (admin, &["everybody"]),
            (rooms("own"), &["everybody who reaches the server may publish, in rooms without"]),
            (rooms("own-*"), &["everybody who reaches the server may publish, in rooms without"]),
            (rooms("*"), &[]),
            (guarded, &[]),
            (play, &[]),
            (webhook, &[]),
            (signed("x".repeat(31)), &["JWT_SECRET has 31 bytes, fewer than 32"]),
            (signed("x".repeat(32)), &[]),
        ] {
            let advice = config.advice();
            assert_eq!(advice.len(), said.len(), "{advice:?}");
            assert!(advice.iter().zip(said).all(|(text, start)| text.starts_with(start)), "{advice:?}");
        }
    }
}
