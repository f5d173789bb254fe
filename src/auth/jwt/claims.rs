//! What a signed token says, once its signature holds.
//!
//! Strict where it is about access: a claim that is there and has another type than it may have makes the whole token
//! invalid, `null` too. Nothing is taken for absent that is only wrong.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::auth::grant::{Action, Grant, Need, Principal, Scope};
use crate::auth::jwt::{self, JwtConfig};
use crate::auth::refusal::Refusal;
use crate::id::RoomPattern;
use crate::limits;

/// The claims that count (RFC 7519 §4.1, and ours).
#[derive(Clone, Deserialize, Debug)]
pub struct Claims {
    #[serde(default, deserialize_with = "present")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<String>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<OneOrMany>,
    #[serde(default, deserialize_with = "present")]
    room: Option<OneOrMany>,
    #[serde(default, deserialize_with = "present")]
    actions: Option<OneOrMany>,
    #[serde(default)]
    role: Value,
    #[serde(default)]
    admin: Value,
}

/// Whole seconds since 1970, up to the year 9999. RFC 7519 would allow fractions, which no session is so exact for.
#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(try_from = "u64")]
struct NumericDate(SystemTime);

impl TryFrom<u64> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        const LAST: u64 = 253_402_300_799;
        if seconds > LAST {
            return Err("after the year 9999");
        }
        Ok(Self(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

#[derive(Clone, Deserialize, Debug)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// What is there is of its type, or an error: not even `null` is absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Claims {
    /// From a token's payload.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        jwt::object(payload)
    }

    /// Time, issuer and audience.
    pub(super) fn check(&self, config: &JwtConfig, now: SystemTime) -> Result<(), Refusal> {
        match self.exp {
            Some(NumericDate(end)) if end + limits::TOKEN_LEEWAY <= now => return Err(Refusal::Expired),
            None if config.require_expiry => return Err(Refusal::NoExpiry),
            _ => {}
        }
        if self.nbf.is_some_and(|NumericDate(begin)| begin > now + limits::TOKEN_LEEWAY) {
            return Err(Refusal::NotYet);
        }
        if config.issuer.is_some() && config.issuer != self.iss {
            return Err(Refusal::Issuer);
        }
        let meant = |ours| self.aud.as_ref().is_some_and(|aud| aud.as_slice().contains(ours));
        if config.audience.as_ref().is_some_and(|ours| !meant(ours)) {
            return Err(Refusal::Audience);
        }
        Ok(())
    }

    /// What it grants where that is needed.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn permit(&self, need: Need<'_>) -> Result<Grant, Refusal> {
        let allowed = match need.action {
            Action::Publish => self.allows("publish"),
            Action::Play | Action::Read => self.allows("play"),
            Action::Admin => self.is_admin(),
        };
        if !allowed {
            return Err(if need.action == Action::Admin { Refusal::NotAdmin } else { Refusal::Action });
        }
        let scope = self.scope()?;
        let covered = match (&scope, need.room) {
            (Scope::Rooms(patterns), Some(room)) => patterns.iter().any(|pattern| pattern.matches(room)),
            // An administrator of some rooms is none of the server.
            (Scope::Rooms(_), None) => need.action != Action::Admin,
            _ => true,
        };
        if !covered {
            return Err(Refusal::Room);
        }
        Ok(Grant {
            admin: self.is_admin(),
            expires_at: self.exp.map(|NumericDate(end)| end),
            ..Grant::new(self.principal(), scope)
        })
    }

    /// `role: "admin"`, `admin: true` or `admin: 1`.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == "admin" || self.admin == true || self.admin == 1
    }

    /// True where the action is named, or none is.
    #[must_use]
    pub fn allows(&self, action: &str) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.as_slice().iter().any(|allowed| allowed == action))
    }

    /// The rooms that it is about, as they are written; `None`: all.
    #[must_use]
    pub fn rooms(&self) -> Option<&[String]> {
        self.room.as_ref().map(OneOrMany::as_slice)
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.exp.map(|NumericDate(end)| end)
    }

    fn scope(&self) -> Result<Scope, Refusal> {
        let Some(rooms) = self.rooms() else { return Ok(Scope::Any) };
        let patterns: Option<Vec<_>> = rooms.iter().map(|room| RoomPattern::parse(room)).collect();
        patterns.map(Scope::Rooms).ok_or(Refusal::Malformed)
    }

    fn principal(&self) -> Principal {
        match &self.sub {
            Some(subject) if !subject.is_empty() => {
                Principal::Subject { issuer: self.iss.clone(), subject: subject.clone() }
            }
            _ => Principal::Unnamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::RoomName;

    const NOW: u64 = 1_800_000_000;

    fn verdict(claims: &Value, config: &JwtConfig, need: Need<'_>) -> Result<Grant, Refusal> {
        let claims = Claims::parse(claims.to_string().as_bytes())?;
        claims.check(config, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))?;
        claims.permit(need)
    }

    #[test]
    fn times() {
        let table = [
            (json!({}), None),
            (json!({"exp": NOW + 1}), None),
            (json!({"exp": NOW - 29}), None),
            (json!({"exp": NOW - 30}), Some(Refusal::Expired)),
            (json!({"exp": 0}), Some(Refusal::Expired)),
            (json!({"exp": -1}), Some(Refusal::Malformed)),
            (json!({"exp": (NOW + 9).to_string()}), Some(Refusal::Malformed)),
            (json!({"exp": 1.8e9 + 9.5}), Some(Refusal::Malformed)),
            (json!({"exp": 1e300}), Some(Refusal::Malformed)),
            (json!({"exp": u64::MAX}), Some(Refusal::Malformed)),
            (json!({"exp": 253_402_300_800_u64}), Some(Refusal::Malformed)),
            (json!({"exp": null}), Some(Refusal::Malformed)),
            (json!({"exp": true}), Some(Refusal::Malformed)),
            (json!({"exp": [NOW + 9]}), Some(Refusal::Malformed)),
            (json!({"nbf": NOW + 30}), None),
            (json!({"nbf": NOW + 31}), Some(Refusal::NotYet)),
            (json!({"nbf": (NOW + 999).to_string()}), Some(Refusal::Malformed)),
            (json!({"nbf": null}), Some(Refusal::Malformed)),
        ];
        for (claims, refusal) in table {
            let result = verdict(&claims, &JwtConfig::default(), Need::anywhere(Action::Play));
            assert_eq!(result.err(), refusal, "{claims}");
        }
        let strict = JwtConfig { require_expiry: true, ..JwtConfig::default() };
        assert_eq!(verdict(&json!({}), &strict, Need::anywhere(Action::Play)).err(), Some(Refusal::NoExpiry));
    }

    #[test]
    fn issuers_and_audiences() {
        let config = JwtConfig { issuer: Some("us".into()), audience: Some("rillcast".into()), ..JwtConfig::default() };
        let table = [
            (json!({"iss": "us", "aud": "rillcast"}), None),
            (json!({"iss": "us", "aud": ["x", "rillcast"]}), None),
            (json!({"iss": "us"}), Some(Refusal::Audience)),
            (json!({"iss": "us", "aud": []}), Some(Refusal::Audience)),
            (json!({"iss": "us", "aud": "rill"}), Some(Refusal::Audience)),
            (json!({"iss": "us", "aud": 1}), Some(Refusal::Malformed)),
            (json!({"aud": "rillcast"}), Some(Refusal::Issuer)),
            (json!({"iss": "them", "aud": "rillcast"}), Some(Refusal::Issuer)),
            (json!({"iss": ["us"], "aud": "rillcast"}), Some(Refusal::Malformed)),
        ];
        for (claims, refusal) in table {
            assert_eq!(verdict(&claims, &config, Need::anywhere(Action::Play)).err(), refusal, "{claims}");
            let open = verdict(&claims, &JwtConfig::default(), Need::anywhere(Action::Play)).err();
            assert_eq!(open, refusal.filter(|refusal| *refusal == Refusal::Malformed), "{claims}");
        }
    }

    #[test]
    fn rooms_and_actions() {
        use Refusal::{Action as NoAction, Malformed, NotAdmin, Room};
        let room = RoomName::parse("live-1").unwrap();
        // Claims; publish, play, admin in the room; play and admin in none.
        let (ok, no) = (None, Some(NotAdmin));
        let table = [
            (json!({}), [ok, ok, no, ok, no]),
            (json!({"room": "live-1"}), [ok, ok, no, ok, no]),
            (json!({"room": "live-*"}), [ok, ok, no, ok, no]),
            (json!({"room": ["x", "live-?"]}), [Some(Malformed), Some(Malformed), no, Some(Malformed), no]),
            (json!({"room": ["x", "live-1"]}), [ok, ok, no, ok, no]),
            (json!({"room": "live"}), [Some(Room), Some(Room), no, ok, no]),
            (json!({"room": []}), [Some(Room), Some(Room), no, ok, no]),
            (json!({"room": ""}), [Some(Malformed), Some(Malformed), no, Some(Malformed), no]),
            (json!({"room": null}), [Some(Malformed); 5]),
            (json!({"room": 1}), [Some(Malformed); 5]),
            (json!({"actions": ["publish"]}), [ok, Some(NoAction), no, Some(NoAction), no]),
            (json!({"actions": "play"}), [Some(NoAction), ok, no, ok, no]),
            (json!({"actions": []}), [Some(NoAction), Some(NoAction), no, Some(NoAction), no]),
            (json!({"actions": ["Publish", "admin"]}), [Some(NoAction), Some(NoAction), no, Some(NoAction), no]),
            (json!({"actions": null}), [Some(Malformed); 5]),
            (json!({"role": "admin"}), [ok; 5]),
            (json!({"admin": true}), [ok; 5]),
            (json!({"admin": 1}), [ok; 5]),
            (json!({"admin": "true"}), [ok, ok, no, ok, no]),
            (json!({"admin": 2}), [ok, ok, no, ok, no]),
            (json!({"role": "Admin"}), [ok, ok, no, ok, no]),
            (json!({"role": ["admin"]}), [ok, ok, no, ok, no]),
            (json!({"role": "admin", "room": "live-*"}), [ok, ok, ok, ok, Some(Room)]),
            (json!({"role": "admin", "room": "other"}), [Some(Room), Some(Room), Some(Room), ok, Some(Room)]),
        ];
        for (claims, expected) in table {
            let found = [
                Need::in_room(Action::Publish, &room),
                Need::in_room(Action::Play, &room),
                Need::in_room(Action::Admin, &room),
                Need::anywhere(Action::Play),
                Need::anywhere(Action::Admin),
            ]
            .map(|need| verdict(&claims, &JwtConfig::default(), need).err());
            assert_eq!(found, expected, "{claims}");
        }
    }
}
