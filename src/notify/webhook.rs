//! Webhooks: what happens is posted to addresses of the operator's, signed, in the order of each room, again where it
//! does not arrive. A webhook is a reader of the bus with a queue of its own: nothing in the server waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use crate::fetch::{self, Bounds};
use crate::id::RoomPattern;
use crate::limits;
use crate::notify::bus::{Bus, Gap, Reader};
use crate::notify::queue::{Outcome, Queue};
use crate::notify::{Notice, What, jitter, now, sign};
use crate::secret::Secret;

/// What the operator sets.
#[derive(Clone, Debug, Default)]
pub struct NotifyConfig {
    /// Who is told.
    pub webhooks: Vec<WebhookConfig>,
}

/// Where events are posted.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// `http://` or `https://`; it may have a secret in it, so it is never shown.
    pub url: Secret,
    /// What signs.
    pub secret: Secret,
    /// Types of events, `publisher.*` for several; none: all.
    pub events: Vec<String>,
    /// Of which rooms; `None`: all, and what is of no room.
    pub rooms: Option<RoomPattern>,
}

/// How a webhook fares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookState {
    /// The host of its address.
    pub host: String,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Events that were not delivered: too often in vain, or there were too many.
    pub dropped: u64,
    /// Events that wait.
    pub waiting: u64,
}

static FLIGHTS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(limits::HOOK_FLIGHTS_OF_ALL));

/// All webhooks.
pub struct Webhooks {
    bus: Arc<Bus>,
    hooks: Mutex<Vec<(Arc<Hook>, Task)>>,
}

/// Ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Hook {
    config: WebhookConfig,
    host: String,
    delivered: AtomicU64,
    failures: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
}

impl WebhookConfig {
    /// True for the type of an event, or for a beginning of some with `*` behind it.
    #[must_use]
    pub fn is_event(text: &str) -> bool {
        What::NAMES.iter().any(|name| covers(text, name))
    }

    fn wants(&self, notice: &Notice) -> bool {
        let name = notice.what.name();
        let room = |pattern: &RoomPattern| notice.room.as_ref().is_some_and(|room| pattern.matches(room));
        (self.events.is_empty() || self.events.iter().any(|event| covers(event, name)))
            && self.rooms.as_ref().is_none_or(room)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.url.expose() == other.url.expose()
            && self.secret.expose() == other.secret.expose()
            && self.events == other.events
            && self.rooms == other.rooms
    }
}

fn covers(event: &str, name: &str) -> bool {
    event.strip_suffix('*').map_or(event == name, |start| name.starts_with(start))
}

impl Webhooks {
    /// None yet.
    #[must_use]
    pub fn new(bus: Arc<Bus>) -> Self {
        Self { bus, hooks: Mutex::default() }
    }

    /// These from now on. Those that were there before keep what waits for them. It has to be called on a runtime.
    pub fn reload(&self, config: &NotifyConfig) {
        let mut hooks = self.hooks();
        let mut before = std::mem::take(&mut *hooks);
        for config in config.webhooks.iter().take(limits::HOOKS) {
            let kept = before.iter().position(|(hook, _)| hook.config.is_same(config));
            hooks.push(kept.map_or_else(|| self.start(config), |kept| before.swap_remove(kept)));
        }
    }

    /// How they fare, in the order of the configuration.
    #[must_use]
    pub fn states(&self) -> Vec<HookState> {
        self.hooks().iter().map(|(hook, _)| hook.state()).collect()
    }

    /// Waits until everything is told that was told to the bus before it was closed, for
    /// [`limits::HOOK_FINISH_TIME`] at most.
    pub async fn finish(&self) {
        let hooks = std::mem::take(&mut *self.hooks());
        let _ = timeout(limits::HOOK_FINISH_TIME, async {
            for (_, mut task) in hooks {
                let _ = (&mut task.0).await;
            }
        })
        .await;
    }

    fn start(&self, config: &WebhookConfig) -> (Arc<Hook>, Task) {
        let hook = Arc::new(Hook::new(config.clone()));
        let task = tokio::spawn(run(hook.clone(), self.bus.read(), self.bus.run().to_owned()));
        (hook, Task(task))
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<(Arc<Hook>, Task)>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook {
    fn new(config: WebhookConfig) -> Self {
        let uri = config.url.expose().parse::<http::Uri>().ok();
        let host = uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        let zero = || AtomicU64::new(0);
        Self { config, host, delivered: zero(), failures: zero(), dropped: zero(), waiting: zero() }
    }

    fn state(&self) -> HookState {
        HookState {
            host: self.host.clone(),
            delivered: self.delivered.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// True where it arrived: any 2xx.
    async fn deliver(&self, run: &str, notice: &Notice) -> bool {
        let Ok(_place) = FLIGHTS.acquire().await else { return false };
        let (id, body) = (format!("{run}-{}", notice.number), notice.json(run).into_bytes());
        let seconds = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let headers = vec![
            (sign::ID, id.clone()),
            (sign::TIMESTAMP, seconds.to_string()),
            (sign::SIGNATURE, sign::sign(&self.config.secret, &id, seconds, &body)),
        ];
        let bounds = Bounds { deadline: limits::HOOK_TIME, bytes: limits::HOOK_ANSWER_BYTES };
        let arrived = match fetch::post(self.config.url.expose(), headers, body, bounds).await {
            Ok(answer) if (200..300).contains(&answer.status) => true,
            Ok(answer) => {
                debug!(host = self.host, status = answer.status, "a webhook refused an event");
                false
            }
            Err(error) => {
                debug!(host = self.host, %error, "a webhook was not reached");
                false
            }
        };
        let counter = if arrived { &self.delivered } else { &self.failures };
        counter.fetch_add(1, Ordering::Relaxed);
        arrived
    }

    fn drop_events(&self, count: u64) {
        if self.dropped.fetch_add(count, Ordering::Relaxed) == 0 {
            warn!(host = self.host, "events are lost to a webhook: it is too slow, or not there");
        }
    }
}

async fn run(hook: Arc<Hook>, mut reader: Reader, run: String) {
    let (mut queue, mut flights, mut open) = (Queue::default(), JoinSet::new(), true);
    while open || queue.len() > 0 {
        while flights.len() < limits::HOOK_FLIGHTS
            && let Some(notice) = queue.take(Instant::now())
        {
            let (hook, run) = (hook.clone(), run.clone());
            let _: AbortHandle = flights.spawn(async move { (hook.deliver(&run, &notice).await, notice.room.clone()) });
        }
        let due = queue.next_due().filter(|_| flights.len() < limits::HOOK_FLIGHTS);
        tokio::select! {
            next = reader.next(), if open => match next {
                Ok(notice) if !hook.config.wants(&notice) => {}
                Ok(notice) => if queue.push(Instant::now(), notice).is_err() {
                    hook.drop_events(1);
                },
                Err(Gap::Missed(count)) => hook.drop_events(count),
                Err(Gap::Closed) => open = false,
            },
            Some(Ok((arrived, room))) = flights.join_next() => {
                if queue.done(Instant::now(), &room, arrived, jitter()) == Outcome::GivenUp {
                    hook.drop_events(1);
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            else => return,
        }
        hook.waiting.store(queue.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
