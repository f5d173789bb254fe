//! From HTTP to HTTPS: 308 for every method, because it keeps method and body (RFC 9110 §15.4.9). RFC 9725 §4.2 has
//! WHIP clients follow it. One that does not fails at once, with the right address in the answer, which is better than
//! a token that goes on in the clear.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode, Uri};

/// The port that HTTPS addresses leave out.
const HTTPS: u16 = 443;

/// What looks after the server asks without TLS, and is told no secrets.
pub(super) fn is_served_plain(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz")
}

/// Where the same is in HTTPS, on the host that the client named.
pub(super) fn answer<B>(request: &Request<B>, port: u16) -> Response {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().cloned().or_else(|| named?.parse::<Authority>().ok());
    let Some(host) = authority.as_ref().map(Authority::host).filter(|host| is_host(host)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let location =
        if port == HTTPS { format!("https://{host}{target}") } else { format!("https://{host}:{port}{target}") };
    let body = format!("{{\"error\":\"use HTTPS\",\"detail\":{}}}\n", serde_json::Value::from(location.as_str()));
    let Ok(location) = HeaderValue::try_from(location) else { return StatusCode::BAD_REQUEST.into_response() };
    let mut response = (StatusCode::PERMANENT_REDIRECT, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A page may follow it; whether it may read what it gets there, HTTPS says.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let table = [
            ("GET", "/", Some("example.org"), 443, "https://example.org/"),
            ("GET", "/watch/room?x=1", Some("example.org:80"), 443, "https://example.org/watch/room?x=1"),
            ("POST", "/whip/room", Some("example.org:8080"), 8443, "https://example.org:8443/whip/room"),
            ("DELETE", "/api/whip/session/1", Some("[2001:db8::1]"), 443, "https://[2001:db8::1]/api/whip/session/1"),
            ("GET", "//evil.example/", Some("example.org"), 443, "https://example.org//evil.example/"),
            ("GET", "/", None, 443, ""),
            ("GET", "/", Some(""), 443, ""),
            ("GET", "/", Some("a b"), 443, ""),
            ("GET", "/", Some("example.org/@evil"), 443, ""),
            ("GET", "/", Some("user@example.org"), 443, "https://example.org/"),
        ];
        for (method, target, host, port, location) in table {
            let mut request = Request::builder().method(method).uri(target);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let response = answer(&request.body(()).unwrap(), port);
            let status = if location.is_empty() { 400 } else { 308 };
            assert_eq!(response.status(), status, "{target} {host:?}");
            assert_eq!(response.headers().get(LOCATION).map_or("", |value| value.to_str().unwrap()), location);
        }
    }
}
