//! The static tokens, as they are compared: of a room, or else of all rooms.

use crate::auth::digest::Digest;
use crate::auth::grant::Action;
use crate::auth::{AuthConfig, PlayPolicy, RoomAccess};
use crate::id::{RoomName, RoomPattern};

/// The tokens of one tier.
#[derive(Clone, Default, Debug)]
struct Tier {
    publish: Option<Digest>,
    play: Option<Digest>,
    policy: Option<PlayPolicy>,
}

/// What is asked of a room's static tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    /// Nothing has to be shown.
    Open,
    /// This token, or a signed one.
    Token(Digest),
    /// No static token opens it.
    Closed,
}

/// All tiers.
#[derive(Clone, Default, Debug)]
pub(super) struct Tiers {
    global: Tier,
    /// In the order in which they were written.
    rooms: Vec<(RoomPattern, Tier)>,
    admin: Option<Digest>,
    /// There are other credentials (signed tokens, a webhook): without any of ours it is not open.
    others: bool,
}

impl Tiers {
    pub fn new(config: &AuthConfig) -> Self {
        let digest = |own: &Option<_>, both: &Option<_>| own.as_ref().or(both.as_ref()).map(Digest::of);
        let tier = |entry: &RoomAccess| {
            let publish = digest(&entry.publish_token, &entry.token);
            let play = digest(&entry.play_token, &entry.token);
            // A room that has a token to play is not open only because all others are.
            let policy = entry.play.or(play.map(|_| PlayPolicy::Token));
            Tier { publish, play, policy }
        };
        Self {
            global: Tier {
                publish: digest(&config.publish_token, &config.token),
                play: digest(&config.play_token, &config.token),
                policy: Some(config.play),
            },
            rooms: config.rooms.iter().map(|entry| (entry.pattern.clone(), tier(entry))).collect(),
            admin: config.admin_token.as_ref().map(Digest::of),
            others: config.has_other_credentials(),
        }
    }

    /// The door to a room, or to what is about no room in particular.
    pub fn door(&self, action: Action, room: Option<&RoomName>) -> Door {
        if action == Action::Admin {
            return self.admin.map_or(Door::Closed, Door::Token);
        }
        let publish = self.first(room, |tier| tier.publish);
        let play = self.first(room, |tier| tier.play);
        let policy = self.first(room, |tier| tier.policy).unwrap_or_default();
        let (token, public) = match action {
            Action::Publish => (publish, false),
            _ => (play, policy == PlayPolicy::Open),
        };
        // One token alone guards both: who set one for playing did not mean that everybody may publish.
        let guarded = publish.is_some() || play.is_some() || self.others;
        if public || !guarded { Door::Open } else { token.map_or(Door::Closed, Door::Token) }
    }

    /// True where the token opens some room, or what is about none; each token is compared, whichever fits.
    pub fn opens_some(&self, action: Action, shown: Option<Digest>) -> bool {
        let global = self.opens(action, None, shown);
        let own = self.rooms.iter().fold(false, |found, (_, tier)| {
            let token = if action == Action::Publish { tier.publish } else { tier.play };
            found | token.is_some_and(|token| shown == Some(token))
        });
        global | own
    }

    /// True where the token opens a room's door, or nothing has to be shown.
    pub fn opens(&self, action: Action, room: Option<&RoomName>, shown: Option<Digest>) -> bool {
        match self.door(action, room) {
            Door::Open => true,
            Door::Token(token) => shown == Some(token),
            Door::Closed => false,
        }
    }

    /// True where a credential is asked for somewhere.
    pub fn is_guarded(&self) -> bool {
        let mut tiers = self.rooms.iter().map(|(_, tier)| tier).chain([&self.global]);
        self.others || tiers.any(|tier| tier.publish.is_some() || tier.play.is_some())
    }

    /// What the first tier says that says something: those of the room in their order, then that of all rooms.
    fn first<T>(&self, room: Option<&RoomName>, pick: fn(&Tier) -> Option<T>) -> Option<T> {
        let fits = |pattern: &RoomPattern| room.is_some_and(|room| pattern.matches(room));
        let own = self.rooms.iter().filter(|(pattern, _)| fits(pattern)).find_map(|(_, tier)| pick(tier));
        own.or_else(|| pick(&self.global))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn secret(text: &str) -> Option<Secret> {
        (!text.is_empty()).then(|| Secret::new(text))
    }

    fn room(pattern: &str, [token, play, publish]: [&str; 3], policy: Option<PlayPolicy>) -> RoomAccess {
        RoomAccess {
            pattern: RoomPattern::parse(pattern).unwrap(),
            token: secret(token),
            play: policy,
            play_token: secret(play),
            publish_token: secret(publish),
        }
    }

    fn global([token, play, publish]: [&str; 3], policy: PlayPolicy) -> AuthConfig {
        AuthConfig {
            token: secret(token),
            play_token: secret(play),
            publish_token: secret(publish),
            play: policy,
            ..AuthConfig::default()
        }
    }

    /// `*`: open; `-`: no static token opens it; else the token.
    fn door(tiers: &Tiers, action: Action, name: &str) -> String {
        let room = RoomName::parse(name);
        let door = tiers.door(action, room.as_ref());
        let names = ["", "g", "gp", "gq", "r", "rp", "rq", "a"];
        let found = names.into_iter().find(|name| door == Door::Token(Digest::of(&Secret::new(*name))));
        match door {
            Door::Open => "*".into(),
            Door::Closed => "-".into(),
            Door::Token(_) => found.unwrap_or("?").into(),
        }
    }

    #[test]
    fn which_token_opens_which_room() {
        use PlayPolicy::{Open, Token};
        let none = ["", "", ""];
        // Global tokens (both, play, publish) and policy; those of the room and its policy; publish and play there.
        let table = [
            (none, Token, none, None, "*", "*"),
            (none, Open, none, None, "*", "*"),
            (["g", "", ""], Token, none, None, "g", "g"),
            (["g", "", ""], Open, none, None, "g", "*"),
            (["g", "gp", ""], Token, none, None, "g", "gp"),
            (["", "gp", "gq"], Token, none, None, "gq", "gp"),
            (["g", "", "gq"], Token, none, None, "gq", "g"),
            (["", "", "gq"], Open, none, None, "gq", "*"),
            // Half a configuration opens nothing.
            (["", "", "gq"], Token, none, None, "gq", "-"),
            (["", "gp", ""], Token, none, None, "-", "gp"),
            // A room's tokens override the global ones, one by one.
            (["g", "", ""], Token, ["r", "", ""], None, "r", "r"),
            (none, Token, ["r", "", ""], None, "r", "r"),
            (["g", "gp", "gq"], Token, ["r", "", ""], None, "r", "r"),
            (["g", "gp", "gq"], Token, ["r", "rp", ""], None, "r", "rp"),
            (["g", "gp", "gq"], Token, ["", "rp", ""], None, "gq", "rp"),
            (["g", "", ""], Token, ["", "", "rq"], None, "rq", "g"),
            // And so does its policy.
            (["g", "", ""], Token, none, Some(Open), "g", "*"),
            (["g", "", ""], Open, none, Some(Token), "g", "g"),
            (["g", "", ""], Open, ["r", "", ""], None, "r", "r"),
            (["g", "", ""], Open, ["r", "", ""], Some(Open), "r", "*"),
            (["g", "", ""], Open, ["", "", "rq"], None, "rq", "*"),
            (none, Token, ["", "", "rq"], None, "rq", "-"),
        ];
        for (tokens, policy, own, own_policy, publish, play) in table {
            let mut config = global(tokens, policy);
            config.rooms = vec![room("room", own, own_policy)];
            let tiers = Tiers::new(&config);
            let case = format!("{tokens:?} {policy:?} {own:?} {own_policy:?}");
            assert_eq!(door(&tiers, Action::Publish, "room"), publish, "{case}");
            assert_eq!(door(&tiers, Action::Play, "room"), play, "{case}");
            assert_eq!(door(&tiers, Action::Read, "room"), play, "{case}");
            assert_eq!(door(&tiers, Action::Admin, "room"), "-", "{case}");
            // Another room knows nothing of it.
            let without = Tiers::new(&global(tokens, policy));
            for action in [Action::Publish, Action::Play] {
                assert_eq!(door(&tiers, action, "other"), door(&without, action, "room"), "{case}");
            }
        }
    }

    #[test]
    fn of_several_that_fit_the_first_that_says_something_decides() {
        let tiers = Tiers::new(&AuthConfig {
            rooms: vec![
                room("live-1", ["", "rp", ""], None),
                room("live-*", ["r", "", ""], None),
                room("*", ["g", "", ""], Some(PlayPolicy::Open)),
            ],
            ..AuthConfig::default()
        });
        for (name, publish, play) in [("live-1", "r", "rp"), ("live-2", "r", "r"), ("other", "g", "*"), ("", "*", "*")]
        {
            assert_eq!(door(&tiers, Action::Publish, name), publish, "{name}");
            assert_eq!(door(&tiers, Action::Play, name), play, "{name}");
        }
    }

    #[test]
    fn a_token_of_some_room_is_enough_for_what_is_about_none() {
        let mut config = global(["g", "", ""], PlayPolicy::Token);
        config.admin_token = secret("a");
        config.rooms = vec![room("room", ["r", "", ""], None), room("x-*", ["", "rp", "rq"], None)];
        let tiers = Tiers::new(&config);
        for (token, play, publish, admin) in [
            ("g", true, true, false),
            ("r", true, true, false),
            ("rp", true, false, false),
            ("rq", false, true, false),
            ("a", false, false, true),
            ("", false, false, false),
            ("wrong", false, false, false),
        ] {
            let shown = secret(token).as_ref().map(Digest::of);
            assert_eq!(tiers.opens_some(Action::Read, shown), play, "{token}");
            assert_eq!(tiers.opens_some(Action::Publish, shown), publish, "{token}");
            assert_eq!(tiers.opens(Action::Admin, None, shown), admin, "{token}");
        }
        assert!(tiers.is_guarded());
        assert!(!Tiers::new(&AuthConfig { admin_token: secret("a"), ..AuthConfig::default() }).is_guarded());
    }
}
