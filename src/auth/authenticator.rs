//! The decision.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::auth::AuthConfig;
use crate::auth::digest::Digest;
use crate::auth::grant::{Action, Grant, Need, Principal, Scope};
use crate::auth::jwt::{self, Verifier};
use crate::auth::presented::Presented;
use crate::auth::refusal::{Refusal, Refusals};
use crate::auth::tiers::{Door, Tiers};
use crate::auth::webhook::Webhook;
use crate::id::RoomName;
use crate::limits;
use crate::net::clock;
use crate::secret::Secret;

/// Knows the credentials, and can be told others while it is asked.
pub struct Authenticator {
    rules: RwLock<Arc<Rules>>,
    refusals: Refusals,
}

/// What the operator set, ready to be compared.
struct Rules {
    tiers: Tiers,
    verifier: Verifier,
    webhook: Option<Arc<Webhook>>,
    session_outlives_token: bool,
}

impl Authenticator {
    /// From the configuration.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        Self { rules: RwLock::new(Arc::new(Rules::new(config, None))), refusals: Refusals::default() }
    }

    /// Takes another configuration; requests that are being looked at end with the old one. Sessions go on.
    pub fn reload(&self, config: &AuthConfig) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Arc::new(Rules::new(config, Some(&rules)));
    }

    /// True where publishing or playing needs a credential somewhere.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.rules().tiers.is_guarded()
    }

    /// The grant for what a request shows. What is refused is counted.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn authorize(&self, presented: &Presented, need: Need<'_>) -> Result<Grant, Refusal> {
        self.judge(presented, need).await.inspect_err(|refusal| self.refusals.count(*refusal))
    }

    /// As [`Authenticator::authorize`], for those who are served either way: it is not counted.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn judge(&self, presented: &Presented, need: Need<'_>) -> Result<Grant, Refusal> {
        self.rules().judge(presented, need, clock::wall()).await
    }

    /// True where a grant that was given for no room in particular shows this room, too.
    #[must_use]
    pub fn covers(&self, grant: &Grant, room: &RoomName) -> bool {
        let tiers = &self.rules().tiers;
        match &grant.scope {
            Scope::Any => true,
            Scope::Rooms(patterns) => {
                patterns.iter().any(|pattern| pattern.matches(room)) || tiers.opens(Action::Read, Some(room), None)
            }
            Scope::Token(shown) => tiers.opens(Action::Read, Some(room), *shown),
        }
    }

    /// How often each refusal came, by its name.
    #[must_use]
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.refusals.read()
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rules {
    fn new(config: &AuthConfig, before: Option<&Self>) -> Self {
        // What it has been told before is kept where it is still the same that is asked.
        let kept = |url: &String| {
            let webhook = before.and_then(|before| before.webhook.clone()).filter(|webhook| webhook.url() == url);
            webhook.unwrap_or_else(|| Arc::new(Webhook::new(url)))
        };
        Self {
            tiers: Tiers::new(config),
            verifier: Verifier::new(&config.jwt, before.map(|before| &before.verifier)),
            webhook: config.webhook_url.as_ref().map(kept),
            session_outlives_token: config.session_outlives_token,
        }
    }

    async fn judge(&self, presented: &Presented, need: Need<'_>, now: SystemTime) -> Result<Grant, Refusal> {
        let mut verdict = self.by_static_token(presented, need);
        // A list has what is open to all, and what a signed token adds to that.
        let may_add = need.room.is_none() && need.action == Action::Read;
        if (verdict.is_err() || may_add) && self.verifier.is_enabled() {
            let signed = self.by_signed_token(presented, need, now).await;
            verdict = match (verdict, signed) {
                (_, Some(Ok(grant))) => Ok(grant),
                (Err(_), Some(refused)) => refused,
                (verdict, _) => verdict,
            };
        }
        // Who is an administrator is not for others to say.
        if let (Err(_), Some(webhook)) = (&verdict, &self.webhook)
            && need.action != Action::Admin
        {
            verdict = webhook.ask(presented, need, now).await;
        }
        let session_until = |grant: &Grant| self.session_until(grant.expires_at?, now);
        verdict.map(|grant| Grant { session_until: session_until(&grant), ..grant })
    }

    /// A session that begins after the end of its token, in the time that clocks may differ, has that time.
    fn session_until(&self, expires_at: SystemTime, now: SystemTime) -> Option<SystemTime> {
        let late = if expires_at > now { Duration::ZERO } else { limits::TOKEN_LEEWAY };
        (!self.session_outlives_token).then_some(expires_at + late)
    }

    /// The first signed token that is good for it; `None` where there is none that is signed.
    async fn by_signed_token(
        &self,
        presented: &Presented,
        need: Need<'_>,
        now: SystemTime,
    ) -> Option<Result<Grant, Refusal>> {
        let mut verdict = None;
        for token in presented.tokens().map(Secret::expose).filter(|token| jwt::is_signed(token)) {
            let claims = self.verifier.verify(token, now).await;
            match claims.and_then(|claims| claims.permit(need)) {
                Ok(grant) => return Some(Ok(grant)),
                Err(refusal) => verdict = Some(Err(refusal)),
            }
        }
        verdict
    }

    fn by_static_token(&self, presented: &Presented, need: Need<'_>) -> Result<Grant, Refusal> {
        let shown = presented.deciding().map(Digest::of);
        let Need { action, room } = need;
        let (open, good) = match (action, room) {
            (Action::Admin, _) | (_, Some(_)) => {
                (self.tiers.door(action, room) == Door::Open, self.tiers.opens(action, room, shown))
            }
            (_, None) => (self.tiers.opens_some(action, None), self.tiers.opens_some(action, shown)),
        };
        if good {
            let principal = shown.filter(|_| !open).map_or(Principal::Anyone, Principal::Token);
            let scope = if action == Action::Admin { Scope::Any } else { Scope::Token(shown) };
            return Ok(Grant { admin: action == Action::Admin, ..Grant::new(principal, scope) });
        }
        Err(match shown {
            _ if action == Action::Admin && !self.has_admin() => Refusal::NoAdmin,
            _ if presented.is_too_long() => Refusal::TooLong,
            None => Refusal::Missing,
            Some(_) => Refusal::WrongToken,
        })
    }

    fn has_admin(&self) -> bool {
        self.verifier.is_enabled() || self.tiers.door(Action::Admin, None) != Door::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientAddress, RoomPattern};

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    async fn ask(auth: &Authenticator, token: &str, action: Action, name: &str) -> Result<Principal, Refusal> {
        let presented = Presented::new(None, Some(token), ClientAddress::UNKNOWN);
        let room = RoomName::parse(name);
        auth.authorize(&presented, Need { action, room: room.as_ref() }).await.map(|grant| grant.principal)
    }

    #[tokio::test]
    async fn each_header_with_a_token_configured() {
        let auth = Authenticator::new(&AuthConfig { token: Some(Secret::new("s3cret")), ..AuthConfig::default() });
        assert!(auth.is_enabled());
        let principal = Principal::Token(Digest::of(&Secret::new("s3cret")));
        let long = "x".repeat(1 << 20);
        let table: [(Option<&str>, Option<&str>, Option<Refusal>); 18] = [
            (None, None, Some(Refusal::Missing)),
            (Some("Bearer s3cret"), None, None),
            (Some("bearer s3cret"), None, None),
            (Some("BEARER   s3cret "), None, None),
            (Some("Bearer"), None, Some(Refusal::Missing)),
            (Some("Bearer s3cre"), None, Some(Refusal::WrongToken)),
            (Some("Bearer s3crets"), None, Some(Refusal::WrongToken)),
            (Some("Bearer S3CRET"), None, Some(Refusal::WrongToken)),
            (Some("Bearer s3cret s3cret"), None, Some(Refusal::WrongToken)),
            (Some("Basic s3cret"), None, Some(Refusal::Missing)),
            (Some("s3cret"), None, Some(Refusal::Missing)),
            (None, Some("s3cret"), None),
            (None, Some("wrong"), Some(Refusal::WrongToken)),
            (None, Some(""), Some(Refusal::Missing)),
            (None, Some(&long), Some(Refusal::TooLong)),
            (Some("Bearer wrong"), Some("s3cret"), None),
            (Some("Bearer s3cret"), Some("wrong"), Some(Refusal::WrongToken)),
            (Some("Bearer s3cret"), Some(""), None),
        ];
        for (authorization, x_auth_token, refusal) in table {
            let presented = Presented::new(authorization, x_auth_token, ClientAddress::UNKNOWN);
            for action in [Action::Publish, Action::Play, Action::Read] {
                let verdict = auth.authorize(&presented, Need::in_room(action, &room("room"))).await;
                let expected = refusal.map_or_else(|| Ok(principal.clone()), Err);
                assert_eq!(verdict.map(|grant| grant.principal), expected, "{authorization:?} {x_auth_token:?}");
            }
        }
        let counted: u64 = auth.refusals().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, 3 * table.iter().filter(|(.., refusal)| refusal.is_some()).count() as u64);
    }

    #[tokio::test]
    async fn with_nothing_configured_all_may_but_nobody_is_an_administrator() {
        let auth = Authenticator::new(&AuthConfig::default());
        assert!(!auth.is_enabled());
        for token in ["", "whatever"] {
            for action in [Action::Publish, Action::Play, Action::Read] {
                for name in ["room", ""] {
                    assert_eq!(ask(&auth, token, action, name).await, Ok(Principal::Anyone));
                }
            }
            for name in ["room", ""] {
                assert_eq!(ask(&auth, token, Action::Admin, name).await, Err(Refusal::NoAdmin));
            }
        }
    }

    #[tokio::test]
    async fn the_administrators_token_is_for_that_alone() {
        let config =
            AuthConfig { token: Some(Secret::new("t")), admin_token: Some(Secret::new("a")), ..AuthConfig::default() };
        let auth = Authenticator::new(&config);
        for name in ["room", ""] {
            assert!(ask(&auth, "a", Action::Admin, name).await.is_ok());
            for (token, action) in [("t", Action::Admin), ("a", Action::Publish), ("a", Action::Play)] {
                assert_eq!(ask(&auth, token, action, name).await, Err(Refusal::WrongToken), "{token} {action:?}");
            }
            assert_eq!(ask(&auth, "", Action::Admin, name).await, Err(Refusal::Missing));
        }
    }

    #[tokio::test]
    async fn a_list_shows_what_the_token_opens() {
        let config = AuthConfig {
            token: Some(Secret::new("g")),
            rooms: vec![crate::auth::RoomAccess {
                pattern: RoomPattern::parse("own").unwrap(),
                token: Some(Secret::new("r")),
                play: None,
                play_token: None,
                publish_token: None,
            }],
            ..AuthConfig::default()
        };
        let auth = Authenticator::new(&config);
        for (token, own, other) in [("g", false, true), ("r", true, false)] {
            let presented = Presented::new(None, Some(token), ClientAddress::UNKNOWN);
            let grant = auth.authorize(&presented, Need::anywhere(Action::Read)).await.unwrap();
            assert_eq!((auth.covers(&grant, &room("own")), auth.covers(&grant, &room("other"))), (own, other));
        }
        assert_eq!(ask(&auth, "x", Action::Read, "").await, Err(Refusal::WrongToken));
    }

    #[tokio::test]
    async fn another_configuration_counts_from_the_next_request_on() {
        let token = |token| AuthConfig { token: Some(Secret::new(token)), ..AuthConfig::default() };
        let auth = Authenticator::new(&token("old"));
        assert!(ask(&auth, "old", Action::Play, "room").await.is_ok());
        auth.reload(&token("new"));
        assert!(ask(&auth, "new", Action::Play, "room").await.is_ok());
        assert_eq!(ask(&auth, "old", Action::Play, "room").await, Err(Refusal::WrongToken));
        auth.reload(&AuthConfig::default());
        assert_eq!(ask(&auth, "old", Action::Play, "room").await, Ok(Principal::Anyone));
    }
}
