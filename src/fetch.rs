//! Requests that the server makes itself: webhooks, key sets. Each has a deadline and a bound on its answer, no
//! redirect is followed, and at most [`limits::FETCHES`] are under way, so that a slow other side costs a few threads
//! and nothing else.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::limits;
use crate::traces::Span;

/// Why a request has no answer. The texts have nothing of the request but its host.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
    /// Too many at once, or too slow.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// No connection, no TLS, no HTTP.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// More than it may have.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
}

/// What came back, whatever its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// How long it may take, and how much may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// From the call to the last byte.
    pub deadline: Duration,
    /// Most bytes of the body.
    pub bytes: u64,
}

static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(limits::FETCHES));

/// Keeps connections for the next request.
static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    config.user_agent(concat!("rillcast/", env!("CARGO_PKG_VERSION"))).build().into()
});

/// Whom to trust: those whose certificates are in this file (PEM), or whom browsers trust.
///
/// # Errors
/// What is wrong with the file.
pub fn trusting(root: Option<&Path>) -> Result<TlsConfig, String> {
    let Some(path) = root else { return Ok(TlsConfig::default()) };
    let roots = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let roots: Vec<_> = roots.filter_map(Result::ok).map(|der| Certificate::from_der(&der).to_owned()).collect();
    if roots.is_empty() {
        return Err("it has no certificate".to_owned());
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::from(roots.into_iter())).build())
}

/// GET
///
/// # Errors
/// [`FetchError`]
pub async fn get(url: &str, bounds: Bounds) -> Result<Fetched, FetchError> {
    let url = url.to_owned();
    let span = Span::step("GET");
    let traced = span.headers();
    let fetched = bounded(bounds, move || {
        let request = AGENT.get(&url).config().timeout_global(Some(bounds.deadline)).build();
        let request = traced.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        answer(request.call(), bounds)
    });
    told(&span, span.around(fetched).await)
}

/// POST of JSON, with further headers.
///
/// # Errors
/// [`FetchError`]
pub async fn post(
    url: &str,
    headers: Vec<(&'static str, String)>,
    json: Vec<u8>,
    bounds: Bounds,
) -> Result<Fetched, FetchError> {
    let url = url.to_owned();
    let span = Span::step("POST");
    let traced = span.headers();
    let fetched = bounded(bounds, move || {
        let request = AGENT.post(&url).config().timeout_global(Some(bounds.deadline)).build();
        let request = request.header("Content-Type", "application/json");
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = traced.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        answer(request.send(&json[..]), bounds)
    });
    told(&span, span.around(fetched).await)
}

/// Whoever looks at the trace sees what came of it.
fn told(span: &Span, fetched: Result<Fetched, FetchError>) -> Result<Fetched, FetchError> {
    span.answered(fetched.as_ref().map_or(504, |fetched| fetched.status));
    fetched
}

async fn bounded(
    bounds: Bounds,
    request: impl FnOnce() -> Result<Fetched, FetchError> + Send + 'static,
) -> Result<Fetched, FetchError> {
    let late = FetchError::Deadline(bounds.deadline);
    let fetched = async {
        let place = PLACES.acquire().await.expect("it is never closed");
        // The place is the thread's: whoever waits no longer does not free it.
        let thread = tokio::task::spawn_blocking(move || {
            let _place = place;
            request()
        });
        thread.await.unwrap_or_else(|error| Err(FetchError::Unreachable(error.to_string())))
    };
    timeout(bounds.deadline, fetched).await.unwrap_or(Err(late))
}

fn answer(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    bounds: Bounds,
) -> Result<Fetched, FetchError> {
    let error = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => FetchError::Deadline(bounds.deadline),
        ureq::Error::BodyExceedsLimit(most) => FetchError::TooLarge(most),
        // It would show the whole address, and an address may have a secret in it.
        ureq::Error::BadUri(_) => FetchError::Unreachable("the address is no URL".into()),
        error => FetchError::Unreachable(error.to_string()),
    };
    let mut response = result.map_err(error)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(bounds.bytes).read_to_vec().map_err(error)?;
    Ok(Fetched { status, body })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const BOUNDS: Bounds = Bounds { deadline: Duration::from_secs(5), bytes: 8 };

    /// A server that answers one request with this, and says what it was asked.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let mut len = 0;
            let whole = |bytes: &[u8]| bytes.ends_with(if bytes.starts_with(b"POST") { b"}" } else { b"\r\n\r\n" });
            while !whole(&request[..len]) {
                len += stream.read(&mut request[len..]).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..len].to_vec()).unwrap()
        });
        (url, task)
    }

    #[tokio::test]
    async fn statuses_bodies_and_headers_pass() {
        let (url, asked) = server("HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno.").await;
        let fetched = post(&url, vec![("X-A", "b".into())], b"{}".to_vec(), BOUNDS).await.unwrap();
        assert_eq!(fetched, Fetched { status: 404, body: b"no.".to_vec() });
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("post /path") && asked.contains("x-a: b") && asked.ends_with("{}"), "{asked}");
    }

    #[tokio::test]
    async fn what_is_too_much_too_late_or_elsewhere_is_refused() {
        let (url, _) = server("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789").await;
        assert_eq!(get(&url, BOUNDS).await, Err(FetchError::TooLarge(8)));
        let (url, _) = server("HTTP/1.1 302 Found\r\nlocation: /secret\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(get(&url, BOUNDS).await.unwrap().status, 302);
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let soon = Bounds { deadline: Duration::from_millis(100), bytes: 8 };
        assert_eq!(get(&url, soon).await, Err(FetchError::Deadline(soon.deadline)));
        drop(silent);
        assert!(matches!(get(&url, BOUNDS).await, Err(FetchError::Unreachable(_))));
    }
}
