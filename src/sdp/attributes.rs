//! The attributes of one m-line and of the session around it.

use rtc_sdp::description::common::Attribute;

/// Both levels, as one m-line sees them.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    media: &'a [Attribute],
    session: &'a [Attribute],
}

impl<'a> Attributes<'a> {
    pub(super) fn new(media: &'a [Attribute], session: &'a [Attribute]) -> Self {
        Self { media, session }
    }

    /// True where the m-line has it.
    pub(super) fn has(self, key: &str) -> bool {
        self.media.iter().any(|attribute| attribute.key == key)
    }

    /// The m-line's values of an attribute, in their order.
    pub(super) fn values(self, key: &str) -> impl Iterator<Item = &'a str> {
        values(self.media, key)
    }

    /// The values that hold for the m-line: its own, and where it has none, the session's.
    pub(super) fn inherited(self, key: &str) -> impl Iterator<Item = &'a str> {
        values(if self.has(key) { self.media } else { self.session }, key)
    }

    /// The values of both levels, the m-line's first.
    pub(super) fn both(self, key: &str) -> impl Iterator<Item = &'a str> {
        values(self.media, key).chain(values(self.session, key))
    }

    /// The first of `keys` that the m-line has, or else the session.
    pub(super) fn first_of<const N: usize>(self, keys: [&'static str; N]) -> Option<&'static str> {
        let find = |level: &[Attribute]| level.iter().find_map(|a| keys.into_iter().find(|key| a.key == *key));
        find(self.media).or_else(|| find(self.session))
    }
}

/// The values of an attribute at one level; a flag's value is empty.
pub(super) fn values<'a>(level: &'a [Attribute], key: &str) -> impl Iterator<Item = &'a str> {
    level.iter().filter(move |a| a.key == key).map(|a| a.value.as_deref().unwrap_or_default().trim())
}
