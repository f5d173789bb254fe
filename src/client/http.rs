//! The requests of WHIP (RFC 9725) and WHEP: an offer by POST, the end by DELETE.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use ureq::{Agent, RequestBuilder};

use super::ClientError;
use crate::limits::{CLIENT_ANSWER_BYTES, CLIENT_REDIRECTIONS, CLIENT_REQUEST_TIME};

/// A session resource on a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The absolute address that `Location` names; who knows it may end the session.
    pub url: String,
    /// `ETag`
    pub etag: Option<String>,
    /// The answer's SDP.
    pub answer: String,
    token: Option<String>,
}

/// Posts an offer.
pub(super) async fn post_offer(url: &str, token: Option<&str>, offer: String) -> Result<Session, ClientError> {
    let (url, token) = (url.to_owned(), token.map(str::to_owned));
    blocking(move || post(&agent(), &url, token.as_deref(), &offer, CLIENT_REDIRECTIONS)).await
}

/// Posts an offer and waits for the answer: for a thread that may block. Goes where so many `redirections` lead (RFC
/// 9725 §4.5), and takes the token nowhere but to the same server.
///
/// # Errors
///
/// Where the server cannot be reached, does not answer 201, or names no session.
pub fn post(
    agent: &Agent,
    url: &str,
    token: Option<&str>,
    offer: &str,
    redirections: usize,
) -> Result<Session, ClientError> {
    let had_token = token.is_some();
    let (mut url, mut token, mut left) = (url.to_owned(), token.map(str::to_owned), redirections);
    loop {
        let mut response = send(agent, &url, token.as_deref(), offer)?;
        let location = header(&response, "Location").map(str::to_owned);
        let (next, is_made) = match (response.status().as_u16(), location) {
            (201, Some(location)) => (location, true),
            (201, None) => return Err(ClientError::Answer("201 without a Location".to_owned())),
            (307 | 308, Some(location)) if left > 0 => (location, false),
            (401, _) if token.is_none() && had_token => {
                return Err(ClientError::Answer(format!(
                    "{url} wants a token: it was redirected to, and is not told it"
                )));
            }
            _ => return Err(refusal(&url, &mut response)),
        };
        let next = resolve(&url, &next).ok_or(ClientError::Url(next))?;
        token = token.filter(|_| may_hear_the_token(&url, &next));
        if is_made {
            let etag = header(&response, "ETag").map(str::to_owned);
            let answer = read_body(&mut response).map_err(|error| unreachable_server(&url, &error))?;
            return Ok(Session { url: next, etag, answer, token });
        }
        (url, left) = (next, left - 1);
    }
}

type Response = ureq::http::Response<ureq::Body>;

fn send(agent: &Agent, url: &str, token: Option<&str>, offer: &str) -> Result<Response, ClientError> {
    let request = authorized(agent.post(url).header("Content-Type", "application/sdp"), token);
    request.send(offer).map_err(|error| unreachable_server(url, &error))
}

fn authorized<B>(request: RequestBuilder<B>, token: Option<&str>) -> RequestBuilder<B> {
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Whether one who was given the token for `first` may take it on to `next`: the same server, or its HTTPS.
fn may_hear_the_token(first: &str, next: &str) -> bool {
    let (Some(first), Some(next)) = (Server::of(first), Server::of(next)) else { return false };
    first == next || !first.is_secure && next.is_secure && first.host == next.host
}

#[derive(PartialEq, Eq)]
struct Server {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Server {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let is_secure = uri.scheme()? == &Scheme::HTTPS;
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some(Self { is_secure, host: uri.host()?.to_ascii_lowercase(), port })
    }
}

impl Session {
    /// Ends the session resource.
    ///
    /// # Errors
    ///
    /// Where the server does not answer 200 or 204.
    pub async fn delete(&self) -> Result<(), ClientError> {
        let session = self.clone();
        blocking(move || session.delete_by(&agent())).await
    }

    /// Ends the session resource: for a thread that may block.
    ///
    /// # Errors
    ///
    /// Where the server does not answer 200 or 204.
    pub fn delete_by(&self, agent: &Agent) -> Result<(), ClientError> {
        let request = authorized(agent.delete(&self.url), self.token.as_deref());
        let mut response = request.call().map_err(|error| unreachable_server(&self.url, &error))?;
        if response.status().is_success() {
            // Read to its end, the connection serves the next request.
            let _ = read_body(&mut response);
            Ok(())
        } else {
            Err(refusal(&self.url, &mut response))
        }
    }
}

/// What makes requests, and keeps connections for the next ones.
#[must_use]
pub fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(CLIENT_REQUEST_TIME))
        .user_agent(concat!("rillcast/", env!("CARGO_PKG_VERSION")))
        // It would not send an offer again (307 and 308): we do.
        .max_redirects(0)
        .max_redirects_will_error(false);
    config.build().into()
}

async fn blocking<T: Send + 'static>(
    request: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(request).await.expect("the request neither panics nor is cancelled")
}

fn read_body(response: &mut Response) -> Result<String, ureq::Error> {
    response.body_mut().with_config().limit(CLIENT_ANSWER_BYTES).read_to_string()
}

fn unreachable_server(url: &str, error: &ureq::Error) -> ClientError {
    match error {
        ureq::Error::BadUri(_) => ClientError::Url(url.to_owned()),
        error => ClientError::Unreachable { url: url.to_owned(), reason: error.to_string() },
    }
}

fn refusal(url: &str, response: &mut Response) -> ClientError {
    let seconds = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = read_body(response).unwrap_or_default();
    ClientError::Refused {
        url: url.to_owned(),
        status: response.status().as_u16(),
        error: error_text(&body),
        retry_after: seconds.map(Duration::from_secs),
    }
}

/// `{"error": "…", "detail": "…"}`, or the first line of a body that is not ours.
fn error_text(body: &str) -> Option<String> {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let field = |name: &str| json.as_ref()?.get(name)?.as_str().map(str::to_owned);
    match (field("error"), field("detail")) {
        (Some(error), Some(detail)) => Some(format!("{error} ({detail})")),
        (Some(error), None) => Some(error),
        _ => body.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| line.chars().take(200).collect()),
    }
}

/// A reference against the address it came from (RFC 3986 §5.2, without dot segments).
fn resolve(base: &str, reference: &str) -> Option<String> {
    let before_path = reference.split(['/', '?', '#']).next()?;
    if before_path.ends_with(':') && reference[before_path.len()..].starts_with("//") {
        return Some(reference.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(other) = reference.strip_prefix("//") {
        return Some(format!("{scheme}://{other}"));
    }
    let rest = rest.split(['?', '#']).next()?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if reference.starts_with('/') {
        return Some(format!("{scheme}://{host}{reference}"));
    }
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    Some(format!("{scheme}://{host}/{folder}{reference}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn locations() {
        let base = "http://localhost:8080/api/whip/publish/demo?x=1";
        for (reference, whole) in [
            ("/session/1", "http://localhost:8080/session/1"),
            ("https://other/2", "https://other/2"),
            ("//other:1/2", "http://other:1/2"),
            ("3", "http://localhost:8080/api/whip/publish/3"),
            ("/whip/r?next=https://x", "http://localhost:8080/whip/r?next=https://x"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Some(whole));
        }
        assert_eq!(resolve("http://host", "x").as_deref(), Some("http://host/x"));
        assert_eq!(resolve("host", "x"), None);
    }

    #[test]
    fn what_the_server_says() {
        for (body, text) in [
            (r#"{"error":"unauthorized"}"#, Some("unauthorized")),
            (r#"{"error":"invalid SDP","detail":"no m-lines"}"#, Some("invalid SDP (no m-lines)")),
            ("\n<html>Bad gateway</html>", Some("<html>Bad gateway</html>")),
            ("", None),
        ] {
            assert_eq!(error_text(body).as_deref(), text);
        }
    }

    /// A server that reads one request and answers with what it is given; hands back the request.
    fn one_answer(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/whip/room", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !request.ends_with(b"v=0\r\n") && !request.starts_with(b"DELETE") {
                let count = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, served)
    }

    #[tokio::test]
    async fn an_offer_is_answered() {
        let (url, served) = one_answer(
            "HTTP/1.1 201 Created\r\nLocation: /session/7\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        );
        let session = post_offer(&url, Some("secret"), "v=0\r\n".to_owned()).await.unwrap();
        assert!(session.url.ends_with("/session/7") && session.url.starts_with("http://127.0.0.1:"));
        assert_eq!((session.etag.as_deref(), session.answer.as_str()), (Some("\"a\""), "v=0\r\n"));
        let request = served.join().unwrap().to_lowercase();
        assert!(request.starts_with("post /whip/room http/1.1\r\n"));
        assert!(request.contains("authorization: bearer secret\r\n"));
        assert!(request.contains("content-type: application/sdp\r\n"));
    }

    #[tokio::test]
    async fn a_redirection_is_followed_and_the_token_stays_with_its_server() {
        for (status, reason) in [(307, "Temporary Redirect"), (308, "Permanent Redirect")] {
            let (last, there) =
                one_answer("HTTP/1.1 201 Created\r\nLocation: /session/7\r\nContent-Length: 5\r\n\r\nv=0\r\n");
            let head = format!("HTTP/1.1 {status} {reason}\r\nLocation: {last}\r\nContent-Length: 0\r\n\r\n");
            let (first, here) = one_answer(head.leak());
            let session = post_offer(&first, Some("secret"), "v=0\r\n".to_owned()).await.unwrap();
            assert_eq!(session.url, last.replace("/whip/room", "/session/7"));
            assert!(here.join().unwrap().contains("secret"));
            assert!(!there.join().unwrap().contains("secret") && session.token.is_none(), "{status}");
        }
    }

    #[tokio::test]
    async fn a_session_elsewhere_is_not_told_the_token() {
        let head = "HTTP/1.1 201 Created\r\nLocation: http://127.0.0.1:1/session/7\r\nContent-Length: 5\r\n\r\nv=0\r\n";
        let (url, served) = one_answer(head);
        let session = post_offer(&url, Some("secret"), "v=0\r\n".to_owned()).await.unwrap();
        served.join().unwrap();
        assert_eq!((session.url.as_str(), session.token), ("http://127.0.0.1:1/session/7", None));
    }

    #[tokio::test]
    async fn who_is_redirected_without_the_token_is_told_so() {
        let (last, there) = one_answer("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {last}\r\nContent-Length: 0\r\n\r\n");
        let (first, here) = one_answer(head.leak());
        let error = post_offer(&first, Some("secret"), "v=0\r\n".to_owned()).await.unwrap_err();
        here.join().unwrap();
        there.join().unwrap();
        assert!(error.to_string().contains(&format!("{last} wants a token")), "{error}");
    }

    #[test]
    fn who_follows_none_is_refused() {
        let (url, served) = one_answer("HTTP/1.1 308 Permanent Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
        let error = post(&agent(), &url, None, "v=0\r\n", 0).unwrap_err();
        served.join().unwrap();
        assert_eq!(error.to_string(), format!("{url}: the server answered 308"));
    }

    #[tokio::test]
    async fn a_redirection_to_nowhere_is_a_refusal() {
        let (url, served) = one_answer("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n");
        let error = post_offer(&url, None, "v=0\r\n".to_owned()).await.unwrap_err();
        served.join().unwrap();
        assert_eq!(error.to_string(), format!("{url}: the server answered 302"));
    }

    #[test]
    fn who_may_hear_the_token() {
        for (first, next, may) in [
            ("http://a:8080/whip/r", "http://a:8080/session/1", true),
            ("http://a/whip/r", "http://A:80/whip/r", true),
            ("http://a:8080/whip/r", "https://a/whip/r", true),
            ("http://[::1]:1/r", "https://[::1]:2/r", true),
            ("http://[::1]/r", "http://[::1]:80/r", true),
            ("http://a:1/r", "http://a:2/r", false),
            ("https://a/r", "https://a:8443/r", false),
            ("https://a/r", "http://a/r", false),
            ("https://a/r", "http://a:443/r", false),
            ("https://a/r", "https://b.a/r", false),
            ("https://a/r", "https://a@b/r", false),
            ("https://a/r", "https://a:443@b/r", false),
            ("https://a/r", "nonsense", false),
        ] {
            assert_eq!(may_hear_the_token(first, next), may, "{first} {next}");
        }
    }

    #[tokio::test]
    async fn a_refusal_tells_why_and_when() {
        let (url, served) = one_answer(
            "HTTP/1.1 404 Not Found\r\nRetry-After: 2\r\nContent-Length: 39\r\n\r\n\
             {\"error\":\"no active publisher in room\"}",
        );
        let error = post_offer(&url, None, "v=0\r\n".to_owned()).await.unwrap_err();
        served.join().unwrap();
        assert_eq!(error.to_string(), format!("{url}: the server answered 404: no active publisher in room"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn nobody_there() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = post_offer(&format!("http://{free}/x"), None, String::new()).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        let error = post_offer("nonsense", None, String::new()).await.unwrap_err();
        assert!(matches!(error, ClientError::Url(_)), "{error}");
    }
}
