//! The whole server at a glance, for `/metrics`: one look into the registry, one question to each worker.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::RoomName;
use crate::session::Sessions;
use crate::session::counts::SessionCounts;
use crate::sfu::counts::Traffic;
use crate::worker::mailbox::WorkerState;

/// See the module.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Sessions by role and state; those with none are there too.
    pub sessions: BTreeMap<(&'static str, &'static str), usize>,
    /// Rooms with an admitted session, in the order of their names.
    pub rooms: Vec<RoomFigures>,
    /// The workers in the order of their numbers.
    pub workers: Vec<WorkerView>,
    /// What the control plane counted.
    pub counts: SessionCounts,
}

/// A room in figures.
#[derive(Clone, Debug)]
pub struct RoomFigures {
    /// The room.
    pub name: RoomName,
    /// Connected subscribers, wherever they are served.
    pub subscribers: usize,
    /// What came from its publishers; `None` where its worker did not answer.
    pub received: Option<Traffic>,
}

/// A worker as the control plane sees it.
#[derive(Clone, Debug)]
pub struct WorkerView {
    /// Its number, as text.
    pub name: String,
    /// How long it has not slept since it began.
    pub awake: Duration,
    /// What it says of itself; `None` where it did not answer in time.
    pub state: Option<WorkerState>,
}

impl Sessions {
    /// The server as it is now.
    pub async fn snapshot(&self) -> Snapshot {
        let states = self.worker_states().await;
        let received: BTreeMap<(usize, &RoomName), Traffic> = states
            .iter()
            .enumerate()
            .flat_map(|(worker, state)| {
                state.iter().flat_map(move |state| state.rooms.iter().map(move |room| (worker, room)))
            })
            .map(|(worker, room)| {
                let (packets, bytes) = (room.media.packets_in, room.media.bytes_in);
                ((worker, &room.name), Traffic { packets, bytes })
            })
            .collect();
        let (sessions, homes) = {
            let registry = self.registry();
            let connected = registry.connected();
            let subscribers = |name| connected.get(name).map_or(0, |connected| connected.subscribers);
            let homes: Vec<_> =
                registry.rooms().map(|(name, room)| (name.clone(), room.home, subscribers(name))).collect();
            (registry.by_state(), homes)
        };
        let figures = |(name, home, subscribers): (RoomName, usize, usize)| {
            // A room that has just begun is not in the answer yet.
            let answered = states.get(home).is_some_and(Option::is_some);
            let received = answered.then(|| received.get(&(home, &name)).copied().unwrap_or_default());
            RoomFigures { name, subscribers, received }
        };
        let rooms = homes.into_iter().map(figures).collect();
        let workers = self.workers.awake().into_iter().zip(states).enumerate();
        let view = |(number, (awake, state)): (usize, _)| WorkerView { name: number.to_string(), awake, state };
        Snapshot { sessions, rooms, workers: workers.map(view).collect(), counts: self.counts() }
    }
}
