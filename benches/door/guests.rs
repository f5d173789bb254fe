//! Who may come in: clients from addresses of their own, each of which asks once a second on a new connection. From
//! the first packet of the connection to the last byte of the answer it may take 100 ms.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http;

const THREADS: u8 = 4;
const CLIENTS_PER_THREAD: u8 = 5;
/// Whoever waits longer has given up.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Guests {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Served>>,
}

/// What became of them.
#[derive(Default)]
pub struct Served {
    /// Of those that were served, in ms.
    pub times: Vec<f64>,
    /// Why others were not.
    pub failures: Vec<String>,
}

impl Guests {
    pub fn start(server: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = |number| {
            let stop = stop.clone();
            std::thread::spawn(move || come_again_and_again(server, number, &stop))
        };
        Self { threads: (0..THREADS).map(thread).collect(), stop }
    }

    pub fn stop(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Served::default();
        for thread in self.threads {
            let served = thread.join().expect("guests behave");
            all.times.extend(served.times);
            all.failures.extend(served.failures);
        }
        all.times.sort_by(f64::total_cmp);
        all
    }
}

impl Served {
    /// By nearest rank; `share` from 0 to 1.
    pub fn percentile(&self, share: f64) -> f64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
        let rank = (share * self.times.len() as f64).ceil() as usize;
        self.times.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

fn come_again_and_again(server: SocketAddr, thread: u8, stop: &AtomicBool) -> Served {
    let mut served = Served::default();
    let interval = Duration::from_secs(1) / u32::from(CLIENTS_PER_THREAD);
    let mut due = Instant::now() + interval * u32::from(thread) / u32::from(THREADS);
    for client in (0..CLIENTS_PER_THREAD).cycle() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        due += interval;
        let began = Instant::now();
        match http::ask(server, Ipv4Addr::new(127, 9, thread, client + 1), "GET", "/api/bootstrap", PATIENCE) {
            Ok(answer) if answer.status == 200 => served.times.push(began.elapsed().as_secs_f64() * 1e3),
            Ok(answer) => served.failures.push(format!("status {}", answer.status)),
            Err(error) => served.failures.push(error.to_string()),
        }
    }
    served
}
