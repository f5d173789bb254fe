//! After an attack: thousands of connections have gone, and the allocator keeps what they had, because something small
//! that lives on lies between. It is told to give it back.

use std::sync::Weak;
use std::time::Duration;

use tracing::debug;

use crate::http::server::Door;
use crate::limits;
use crate::net::memory;

/// The most connections since memory was given back.
#[derive(Default)]
struct Ebb(usize);

impl Ebb {
    /// True where so many fewer are there that it pays.
    fn is_low(&mut self, connections: usize) -> bool {
        self.0 = self.0.max(connections);
        let is_low = self.0 - connections >= limits::EBB_CONNECTIONS;
        if is_low {
            self.0 = connections;
        }
        is_low
    }
}

/// Gives memory back whenever many connections have gone, until the server ends.
pub async fn follow(door: Weak<Door>) {
    let mut ebb = Ebb::default();
    loop {
        tokio::time::sleep(limits::EBB_INTERVAL).await;
        let Some(door) = door.upgrade() else { return };
        if ebb.is_low(door.connections()) {
            let took = tokio::task::spawn_blocking(timed).await;
            debug!(?took, "memory of connections that have gone was given back");
        }
    }
}

fn timed() -> Duration {
    let began = tokio::time::Instant::now();
    memory::give_back();
    began.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_when_many_have_gone_and_not_for_each_that_goes() {
        let mut ebb = Ebb::default();
        let many = 10 * limits::EBB_CONNECTIONS;
        let steps = [(many, false), (many - 1, false), (many / 2, true), (many / 2 - 1, false), (1, true), (0, false)];
        for (connections, is_low) in steps {
            assert_eq!(ebb.is_low(connections), is_low, "{connections}");
        }
        assert!(!ebb.is_low(limits::EBB_CONNECTIONS - 1) && !ebb.is_low(0));
    }
}
