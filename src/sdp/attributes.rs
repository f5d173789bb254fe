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

    /// True where the m-line has the attribute without a value.
    pub(super) fn flag(self, key: &str) -> bool {
        has_flag(self.media, key)
    }

    /// The m-line's values of an attribute, in their order.
    pub(super) fn values(self, key: &str) -> impl Iterator<Item = &'a str> {
        values(self.media, key)
    }

    /// The values that hold for the m-line: its own, and where it has none, the session's.
    pub(super) fn inherited(self, key: &str) -> impl Iterator<Item = &'a str> {
        let own = self.media.iter().any(|attribute| attribute.key == key);
        values(if own { self.media } else { self.session }, key)
    }

    /// The values of both levels, the m-line's first.
    pub(super) fn both(self, key: &str) -> impl Iterator<Item = &'a str> {
        values(self.media, key).chain(values(self.session, key))
    }

    /// The first of these flags that the m-line has, or else the session.
    pub(super) fn flag_of<const N: usize>(self, keys: [&'static str; N]) -> Option<&'static str> {
        let find = |level| keys.into_iter().find(|key| has_flag(level, key));
        find(self.media).or_else(|| find(self.session))
    }
}

/// The values of an attribute at one level; a flag's value is empty.
pub(super) fn values<'a>(level: &'a [Attribute], key: &str) -> impl Iterator<Item = &'a str> {
    level.iter().filter(move |a| a.key == key).map(|a| a.value.as_deref().unwrap_or_default().trim())
}

fn has_flag(level: &[Attribute], key: &str) -> bool {
    level.iter().any(|attribute| attribute.key == key && attribute.value.is_none())
}
