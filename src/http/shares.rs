//! What one client may have of what there is for all at a time: otherwise whoever opens enough of it has it alone.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use crate::http::error::ApiError;
use crate::id::{ClientAddress, ClientGroup};

/// How many each client has.
#[derive(Clone)]
pub(super) struct Shares {
    most: usize,
    held: Arc<Mutex<BTreeMap<ClientGroup, usize>>>,
}

/// One that a client has, until this is dropped.
pub(super) struct Share {
    shares: Shares,
    client: Option<ClientGroup>,
}

/// An answer that a client has.
struct Shared {
    body: Body,
    _share: Share,
}

/// A client that has as many comes back after this time.
const RETRY: Duration = Duration::from_secs(2);

impl Shares {
    /// So many for each.
    pub fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// One more.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`]
    pub fn enter(&self, client: ClientAddress) -> Result<Share, ApiError> {
        let client = (client != ClientAddress::UNKNOWN).then(|| client.group());
        if let Some(client) = client {
            let mut held = self.held();
            let count = held.entry(client).or_default();
            if *count >= self.most {
                return Err(ApiError::TooManyRequests(RETRY));
            }
            *count += 1;
        }
        Ok(Share { shares: self.clone(), client })
    }

    /// Consistent after each call.
    fn held(&self) -> MutexGuard<'_, BTreeMap<ClientGroup, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// The client has it until all of the answer was sent.
    pub fn until_sent(self, answer: Response) -> Response {
        answer.map(|body| Body::new(Shared { body, _share: self }))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut held = self.shares.held();
        if let Some(count) = held.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                held.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_and_gives_it_back() {
        let shares = Shares::new(2);
        let client = |number| ClientAddress::new([192, 0, 2, number].into());
        let held: Vec<Share> = (0..2).map(|_| shares.enter(client(1)).unwrap()).collect();
        assert_eq!(shares.enter(client(1)).err(), Some(ApiError::TooManyRequests(RETRY)));
        assert!(shares.enter(client(2)).is_ok());
        let nobody: Vec<Share> = (0..9).map(|_| shares.enter(ClientAddress::UNKNOWN).unwrap()).collect();
        assert_eq!(shares.held().len(), 1);
        drop((held, nobody));
        assert!(shares.held().is_empty());
        let answer = shares.enter(client(1)).unwrap().until_sent(Response::new(Body::from("all")));
        assert_eq!(shares.held().len(), 1);
        drop(answer);
        assert!(shares.held().is_empty());
    }
}
