//! What browsers are told to forbid. The pages have their scripts and styles in files of their own, so a strict policy
//! fits them as they are: nothing inline, nothing from elsewhere. Only `/watch/ROOM` may stand in other people's pages.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Api;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What a path is to a browser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The player, which may be embedded.
    Watch,
    /// The page that uses camera, microphone and screen.
    Publisher,
    /// The page that plays recordings, which may be in a store.
    Library,
    /// Any other page, and its files.
    Page,
    /// A recording: a browser shows it in a page of its own making.
    Record,
    /// No page: where a browser shows it all the same, it is text.
    Data,
}

impl Kind {
    fn of(path: &str) -> Self {
        match path {
            path if path.starts_with("/watch/") => Self::Watch,
            "/web/publisher.html" => Self::Publisher,
            "/web/records.html" => Self::Library,
            path if path.starts_with("/records/") => Self::Record,
            path if path == "/" || path.starts_with("/web/") => Self::Page,
            _ => Self::Data,
        }
    }

    /// Content Security Policy, level 3.
    fn policy(self) -> &'static str {
        match self {
            Self::Watch => concat!(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; ",
                "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors *"
            ),
            // The start page has a base of its own; the test picture has a worker.
            Self::Publisher | Self::Library | Self::Page => concat!(
                "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; ",
                "media-src 'self' blob:; connect-src 'self'; base-uri 'self'; form-action 'self'; ",
                "frame-ancestors 'none'"
            ),
            Self::Record => {
                "default-src 'none'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            }
            Self::Data => "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        }
    }

    fn permissions(self) -> &'static str {
        match self {
            Self::Publisher => "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=()",
            _ => "camera=(), microphone=(), display-capture=(), geolocation=(), payment=()",
        }
    }

    /// `store`: the origin that recordings are fetched from, beside this one.
    fn write(self, headers: &mut HeaderMap, store: Option<&str>) {
        if let (Self::Library, Some(store)) = (self, store) {
            let policy = self.policy().replace("blob:;", &format!("blob: {store};"));
            let policy = policy.replace("connect-src 'self';", &format!("connect-src 'self' {store};"));
            if let Ok(policy) = HeaderValue::try_from(policy) {
                headers.insert(CONTENT_SECURITY_POLICY, policy);
            }
        }
        let mut set = |name: HeaderName, value: &'static str| {
            // What a handler says itself, it means.
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        };
        set(CONTENT_SECURITY_POLICY, self.policy());
        set(PERMISSIONS_POLICY, self.permissions());
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        // A page's address may have a token in its fragment; that is never sent, and the rest is nobody's business.
        set(REFERRER_POLICY, "no-referrer");
        if self != Self::Watch {
            set(X_FRAME_OPTIONS, "DENY");
        }
    }
}

/// Marks every response.
pub(super) async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let kind = Kind::of(request.uri().path());
    let mut response = next.run(request).await;
    kind.write(response.headers_mut(), api.store_origin());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_player_may_be_embedded_and_only_the_publisher_has_a_camera() {
        for (path, kind) in [
            ("/", Kind::Page),
            ("/web/index.html", Kind::Page),
            ("/web/admin.html", Kind::Page),
            ("/web/player.html", Kind::Page),
            ("/web/publisher.html", Kind::Publisher),
            ("/web/records.html", Kind::Library),
            ("/watch/room", Kind::Watch),
            ("/records/a_v_1.mp4", Kind::Record),
            ("/api/rooms", Kind::Data),
            ("/api/records", Kind::Data),
            ("/whip/room", Kind::Data),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
            let mut headers = HeaderMap::new();
            kind.write(&mut headers, None);
            let text = |name: HeaderName| headers.get(name).map_or("", |value| value.to_str().unwrap());
            let policy = text(CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(policy.contains("frame-ancestors *"), kind == Kind::Watch);
            assert_eq!(text(X_FRAME_OPTIONS).is_empty(), kind == Kind::Watch);
            assert_eq!(text(PERMISSIONS_POLICY).contains("camera=(self)"), kind == Kind::Publisher);
        }
    }

    #[test]
    fn the_page_of_recordings_may_fetch_from_the_store() {
        for kind in [Kind::Library, Kind::Page, Kind::Watch] {
            let mut headers = HeaderMap::new();
            kind.write(&mut headers, Some("https://store.example:9000"));
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let parts: Vec<&str> = policy.split("; ").filter(|part| part.contains("store.example")).collect();
            let expected: &[&str] = if kind == Kind::Library {
                &["media-src 'self' blob: https://store.example:9000", "connect-src 'self' https://store.example:9000"]
            } else {
                &[]
            };
            assert_eq!(parts, expected);
        }
    }

    /// The policy allows nothing inline, so the pages must have nothing inline.
    #[test]
    fn the_pages_have_nothing_inline() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let pages = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "html")) {
            let text = std::fs::read_to_string(&page).unwrap();
            for inline in ["<style", "style=\"", "<script>", "javascript:", " onclick=", " onload=", "http://", "data:"]
            {
                let there = text.match_indices(inline).filter(|(at, _)| !text[..*at].ends_with("<code>")).count();
                assert_eq!(there, 0, "{}: {inline}", page.display());
            }
        }
    }
}
