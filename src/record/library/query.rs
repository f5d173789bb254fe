//! Which recordings are asked for.

use std::time::SystemTime;

use crate::id::RoomName;
use crate::limits;
use crate::record::sheet::State;

/// Which recordings; what is not said does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// Of this room.
    pub room: Option<RoomName>,
    /// That began then or later,
    pub from: Option<SystemTime>,
    /// and before this.
    pub to: Option<SystemTime>,
    /// With all these words in name, title, tags or markers.
    pub text: String,
    /// In this state; otherwise those that have a file that is whole,
    pub state: Option<State>,
    /// and those too that had one, which is elsewhere now.
    pub with_deleted: bool,
    /// Number of the page, from 1, and how many are on one; all of them otherwise.
    pub page: Option<(usize, usize)>,
}

impl Query {
    /// The words that are looked for, in lower case.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.text.split_whitespace().take(limits::RECORD_SEARCH_WORDS).map(str::to_lowercase)
    }
}
