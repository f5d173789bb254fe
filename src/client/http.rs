//! The requests of WHIP (RFC 9725) and WHEP: an offer by POST, the end by DELETE.

use std::time::Duration;

use ureq::Agent;

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
    blocking(move || post(&agent(), &url, token.as_deref(), &offer)).await
}

/// Posts an offer and waits for the answer: for a thread that may block. Goes where a redirection leads (RFC 9725
/// §4.5), but takes the token to no other host, and not from HTTPS to HTTP.
///
/// # Errors
///
/// Where the server cannot be reached, does not answer 201, or names no session.
pub fn post(agent: &Agent, url: &str, token: Option<&str>, offer: &str) -> Result<Session, ClientError> {
    let (mut url, mut token) = (url.to_owned(), token.map(str::to_owned));
    for _ in 0..=CLIENT_REDIRECTIONS {
        let mut response = send(agent, &url, token.as_deref(), offer)?;
        let location = header(&response, "Location").map(str::to_owned);
        match (response.status().as_u16(), location) {
            (201, location) => {
                let location = location.ok_or_else(|| ClientError::Answer("201 without a Location".to_owned()))?;
                let resource = resolve(&url, &location).ok_or(ClientError::Url(location))?;
                let etag = header(&response, "ETag").map(str::to_owned);
                let answer = read_body(&mut response).map_err(|error| unreachable_server(&url, &error))?;
                return Ok(Session { url: resource, etag, answer, token });
            }
            (307 | 308, Some(location)) => {
                let next = resolve(&url, &location).ok_or(ClientError::Url(location))?;
                token = token.filter(|_| may_hear_the_token(&url, &next));
                url = next;
            }
            _ => return Err(refusal(&url, &mut response)),
        }
    }
    Err(ClientError::Answer(format!("more than {CLIENT_REDIRECTIONS} redirections, the last one to {url}")))
}

type Response = ureq::http::Response<ureq::Body>;

fn send(agent: &Agent, url: &str, token: Option<&str>, offer: &str) -> Result<Response, ClientError> {
    let mut request = agent.post(url).header("Content-Type", "application/sdp");
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    request.send(offer).map_err(|error| unreachable_server(url, &error))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Whether one who was given the token for `first` may take it on to `next`.
fn may_hear_the_token(first: &str, next: &str) -> bool {
    let parts = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = host.map_or(authority, |(host, _)| host);
        Some((scheme.eq_ignore_ascii_case("https"), host.to_ascii_lowercase()))
    };
    matches!((parts(first), parts(next)), (Some((was_safe, from)), Some((is_safe, to)))
        if from == to && (is_safe || !was_safe))
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
        let mut request = agent.delete(&self.url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
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
    if reference.contains("://") {
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
    async fn a_redirection_is_followed_and_the_token_stays_with_its_host() {
        for (status, keeps) in [("307 Temporary Redirect", true), ("308 Permanent Redirect", false)] {
            let (last, there) =
                one_answer("HTTP/1.1 201 Created\r\nLocation: /session/7\r\nContent-Length: 5\r\n\r\nv=0\r\n");
            let last = if keeps { last } else { last.replace("127.0.0.1", "localhost") };
            let head = format!("HTTP/1.1 {status}\r\nLocation: {last}\r\nContent-Length: 0\r\n\r\n");
            let (first, here) = one_answer(head.leak());
            let session = post_offer(&first, Some("secret"), "v=0\r\n".to_owned()).await.unwrap();
            assert_eq!(session.url, last.replace("/whip/room", "/session/7"));
            assert!(here.join().unwrap().contains("secret"));
            assert_eq!(there.join().unwrap().contains("secret"), keeps, "{status}");
            assert_eq!(session.token.is_some(), keeps);
        }
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
            ("http://a:8080/whip/r", "https://a/whip/r", true),
            ("https://A/whip/r", "https://a:8443/whip/r", true),
            ("http://[::1]:1/r", "http://[::1]:2/r", true),
            ("https://a/r", "http://a/r", false),
            ("https://a/r", "https://b.a/r", false),
            ("https://a/r", "https://a@b/r", false),
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
