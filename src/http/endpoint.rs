//! What the WHIP and the WHEP endpoint have in common.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::http::Api;
use crate::http::body;
use crate::http::gate::{Methods, Pass};
use crate::net::clock;
use crate::session::Created;

/// `Accept-Post` (the Linked Data Platform's, as WHIP uses it) and `Accept-Patch` (RFC 5789).
pub(super) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Methods of both endpoints.
pub(super) const METHODS: Methods = Methods { allow: "GET, HEAD, POST, OPTIONS" };

/// 201: the answer, and all that the client has to know of its session.
pub(super) fn created(api: &Api, location: &str, session: Created) -> Response {
    let mut response = (StatusCode::CREATED, session.sdp).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(body::SDP));
    headers.insert(LOCATION, value(format!("{location}{}", session.id)));
    headers.insert(ETAG, value(format!("\"{}\"", session.etag)));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(body::FRAGMENT));
    add_links(api, true, headers);
    response
}

/// The answer to an OPTIONS that is no preflight.
pub(super) fn options(api: &Api, pass: &Pass) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS.allow));
    headers.insert(ACCEPT_POST, HeaderValue::from_static(body::SDP));
    add_links(api, pass.grant.is_some(), headers);
    response
}

pub(super) fn add_links(api: &Api, authorised: bool, headers: &mut HeaderMap) {
    for link in api.settings().ice.links(authorised, clock::wall()) {
        headers.append(LINK, link);
    }
}

/// A header of our own making.
pub(super) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("hexadecimal digits and fixed text")
}
