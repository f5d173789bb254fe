//! What `publish` and `play` share: a runtime, asking again, and how long.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::client::ClientError;
use crate::notify::jitter;

/// Runs a command on a runtime of its own.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(command)
}

/// A number of seconds, with or without `s`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: Result<f64, _> = text.strip_suffix('s').unwrap_or(text).parse();
    let duration = number.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds, such as 10 or 2.5".to_owned())
}

/// Tries until it works, for so long, as long as the server says when to ask again (or is not there yet).
pub(super) async fn retrying<T, F: Future<Output = Result<T, ClientError>>>(
    patience: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(pause) = error.retry_after().filter(|pause| start.elapsed() + *pause <= patience) else {
            return Err(failure_of(&error));
        };
        eprintln!("{error}; trying again in {} s", pause.as_secs());
        tokio::time::sleep(pause).await;
    }
}

/// Comes back after a connection that was lost, as the pages do: soon, then less and less often, not before the server
/// wants it, and not in step with others who lost theirs at the same time.
///
/// # Errors
/// What the server refuses for good, and what does not work out within [`COMEBACK_PATIENCE`].
pub(super) async fn coming_back<T, F: Future<Output = Result<T, ClientError>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure> {
    let start = Instant::now();
    for tries in 0.. {
        tokio::time::sleep(comeback_wait(tries, jitter())).await;
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if matches!(error, ClientError::Refused { retry_after: None, .. }) || start.elapsed() > COMEBACK_PATIENCE {
            return Err(failure_of(&error));
        }
        // What it says is kept to; the wait of the next round comes on top, as jitter.
        if let ClientError::Refused { retry_after: Some(asked), .. } = &error {
            tokio::time::sleep(*asked).await;
        }
    }
    unreachable!("there is no last try")
}

/// How long it goes on trying.
const COMEBACK_PATIENCE: Duration = Duration::from_mins(5);

/// `jitter` is from 0 to 1.
fn comeback_wait(tries: u32, jitter: f64) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(2_u32.saturating_pow(tries)).min(Duration::from_secs(10));
    full.mul_f64(0.5 + jitter / 2.0)
}

/// An address that cannot be one is a mistake in the command line; everything else did not work out.
pub(super) fn failure_of(error: &ClientError) -> Failure {
    match error {
        ClientError::Url(_) => Failure::usage(error),
        error => Failure::failed(error),
    }
}

/// Never, where there is no limit.
pub(super) async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [("10", 10_000), ("2.5s", 2_500), ("0", 0)] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["", "s", "-1", "x", "1m", "inf", "nan"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn waits_grow_and_have_jitter() {
        let table =
            [(0, 0.0, 250), (0, 1.0, 500), (1, 1.0, 1_000), (4, 0.0, 4_000), (5, 1.0, 10_000), (99, 1.0, 10_000)];
        for (tries, jitter, milliseconds) in table {
            assert_eq!(comeback_wait(tries, jitter), Duration::from_millis(milliseconds), "{tries} {jitter}");
        }
    }

    #[tokio::test]
    async fn who_is_told_when_asks_again() {
        let refusal = |retry_after| ClientError::Refused { url: String::new(), status: 404, error: None, retry_after };
        let mut attempts = 0;
        let done = retrying(Duration::from_secs(5), || {
            attempts += 1;
            let result = if attempts < 3 { Err(refusal(Some(Duration::from_millis(1)))) } else { Ok(attempts) };
            std::future::ready(result)
        });
        assert_eq!(done.await, Ok(3));
        for (patience, retry_after) in [(0, Some(1)), (5, None)] {
            let error = refusal(retry_after.map(Duration::from_secs));
            let mut error = Some(error);
            let result: Result<(), _> =
                retrying(Duration::from_secs(patience), || std::future::ready(Err(error.take().expect("asked once"))))
                    .await;
            assert!(matches!(result, Err(Failure::Failed(_))));
        }
    }
}
