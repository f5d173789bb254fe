//! What is known of sessions one by one: who they are, from the registry; how they are, from their workers.

use std::collections::BTreeMap;

use tokio::time::timeout;

use crate::id::{RoomName, SessionId};
use crate::limits;
use crate::session::{Role, Sessions};
use crate::worker::mailbox::{Command, Which};
use crate::worker::state::SessionState;

/// A session as the operator sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its name, which is secret: who knows it may end the session.
    pub id: SessionId,
    /// What it does.
    pub role: Role,
    /// Where.
    pub room: RoomName,
    /// Which worker has it.
    pub worker: usize,
    /// What that says of it; `None` where it did not answer in time, or the session has just come or gone.
    pub state: Option<SessionState>,
}

impl Sessions {
    /// The sessions that are asked about, in the order of their names. Workers are asked in portions, so that media
    /// waits for nobody's curiosity.
    pub async fn inspect_sessions(&self, which: &Which) -> Vec<SessionView> {
        let mut views: BTreeMap<SessionId, SessionView> = {
            let registry = self.registry();
            let is_meant = |id: &SessionId, room: &RoomName| match which {
                Which::All => true,
                Which::Room(name) => name == room,
                Which::These(ids) => ids.contains(id),
            };
            let admitted = registry.sessions().filter(|(id, session)| session.confirmed && is_meant(id, &session.room));
            let view = |(id, session): (&SessionId, &super::registry::Resource)| {
                let (role, room, worker) = (session.role, session.room.clone(), session.worker);
                (*id, SessionView { id: *id, role, room, worker, state: None })
            };
            admitted.map(view).collect()
        };
        let mut workers: Vec<usize> = views.values().map(|view| view.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        // One after the other: the answers are large, and nobody is in a hurry.
        for worker in workers {
            let asked = timeout(limits::INSPECT_TIME, self.states_of(worker, which)).await;
            for state in asked.into_iter().flatten() {
                if let Some(view) = views.get_mut(&state.session) {
                    view.state = Some(state);
                }
            }
        }
        views.into_values().collect()
    }

    pub(super) async fn states_of(&self, worker: usize, which: &Which) -> Vec<SessionState> {
        let (mut states, mut from) = (Vec::new(), 0);
        loop {
            let ask = |reply| Command::InspectSessions { which: which.clone(), from, reply };
            let Ok(answer) = self.workers.ask(worker, ask) else { return states };
            let Ok(portion) = answer.await else { return states };
            states.extend(portion.sessions);
            match portion.next {
                Some(next) if next > from => from = next,
                _ => return states,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Grant;
    use crate::session::testing::{self, Mood, offer};
    use crate::session::{Client, SessionConfig};

    #[tokio::test]
    async fn sessions_are_found_by_name_by_room_and_altogether() {
        let (sessions, workers) = testing::sessions(SessionConfig::default(), 2);
        let room = |name| RoomName::parse(name).unwrap();
        let mut ids = Vec::new();
        for name in ["a", "b"] {
            let created = sessions
                .publish(&room(name), &Grant::anyone(), Client::default(), &offer("chromium-H264-whip.sdp"))
                .await;
            ids.push(created.unwrap().id);
        }
        let whole = sessions.inspect_sessions(&Which::All).await;
        assert_eq!(whole.len(), 2);
        assert!(whole.iter().all(|view| view.state.as_ref().is_some_and(|state| state.session == view.id)));
        for (id, name) in ids.iter().zip(["a", "b"]) {
            for which in [Which::These([*id].into()), Which::Room(room(name))] {
                let found = sessions.inspect_sessions(&which).await;
                let names: Vec<_> = found.iter().map(|view| (view.id, view.room.as_str(), view.role)).collect();
                assert_eq!(names, [(*id, name, Role::Publisher)]);
            }
        }
        assert!(sessions.inspect_sessions(&Which::Room(room("c"))).await.is_empty());
        workers[0].set_mood(Mood::Busy);
        let known = sessions.inspect_sessions(&Which::All).await;
        let answered = known.iter().filter(|view| view.state.is_some()).count();
        assert_eq!((known.len(), answered), (2, 1), "who does not answer is listed all the same");
    }
}
