//! What a question of the control plane costs a worker: while it answers, media waits. CPU time of the worker's thread
//! per answer, with so many connected subscribers in rooms of so many.

mod common;

use common::media::{played, published};
use common::stage::ssrc;
use common::worker::{Connection, Worker};
use common::{Effort, Table, per};
use rillcast::worker::mailbox::{Command, SessionStates, Which};
use tokio::sync::oneshot;

fn main() {
    let effort = Effort::from_arguments();
    let mut table = Table::new(&["subscribers, in a room", "state and rooms", "a portion of sessions", "portions"]);
    for (subscribers, room) in effort.of(vec![(100, 100), (2_000, 2_000), (2_000, 7), (5_000, 16)], vec![(20, 10)]) {
        let figures = measure(subscribers, room, effort.of(500, 2));
        table.row(format!("{subscribers}, {room}"), &figures);
    }
    table.print("Answers of a worker, ns of CPU time each:");
}

fn measure(subscribers: usize, room: usize, rounds: usize) -> [f64; 3] {
    let mut worker = Worker::start();
    let mut connections: Vec<Connection> = Vec::new();
    for number in 0..subscribers {
        let name = format!("room{}", number / room);
        if number % room == 0 {
            connections.push(worker.publish(&name, published()));
        }
        connections.push(worker.play(&name, played(ssrc(number))));
    }
    let state = worker.cpu();
    for _ in 0..rounds {
        worker.state();
    }
    let sessions = worker.cpu();
    let mut portions = 0;
    for _ in 0..rounds {
        let mut next = Some(0);
        while let Some(from) = next {
            portions += 1;
            next = ask(&worker, from).next;
        }
    }
    let end = worker.cpu();
    worker.stop();
    let rounds = rounds as u64;
    #[allow(clippy::cast_precision_loss, reason = "figures for people to read")]
    let each = portions as f64 / rounds as f64;
    [per(sessions.saturating_sub(state), rounds), per(end.saturating_sub(sessions), portions), each]
}

fn ask(worker: &Worker, from: u32) -> SessionStates {
    let (reply, answer) = oneshot::channel();
    let ask = Command::InspectSessions { which: Which::All, from, reply };
    worker.handle.send(ask).expect("the mailbox has room");
    answer.blocking_recv().expect("the worker answers")
}
