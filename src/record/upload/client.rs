//! The store's HTTP client: the one that the server has anyway, each request on a thread of its own, which a store that
//! does not answer may hold without holding up anything else.

use std::io::ErrorKind;
use std::thread;

use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use tokio::sync::oneshot;
use ureq::Agent;
use ureq::tls::TlsConfig;

use crate::limits;

#[derive(Clone, Debug)]
pub(super) struct Connector {
    agent: Agent,
}

impl Connector {
    pub fn new(tls: TlsConfig) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
        let config = config.timeout_global(Some(limits::UPLOAD_REQUEST_TIME)).tls_config(tls);
        Self { agent: config.user_agent(concat!("rillcast/", env!("CARGO_PKG_VERSION"))).build().into() }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = self.agent.clone();
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let (answered, answer) = oneshot::channel();
        let call = move || {
            let mut response = agent.run(Request::from_parts(parts, &body[..]))?;
            let most = limits::UPLOAD_ANSWER_BYTES;
            let answer = response.body_mut().with_config().limit(most).read_to_vec()?;
            Ok::<_, ureq::Error>(response.map(|_| answer))
        };
        // Who waits no longer, because the server stops, leaves the thread behind.
        let thread = thread::Builder::new().name("upload".into()).spawn(move || answered.send(call()).is_ok());
        thread.map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?;
        match answer.await {
            Ok(Ok(response)) => Ok(response.map(Into::into)),
            Ok(Err(error)) => Err(HttpError::new(kind(&error), error)),
            Err(error) => Err(HttpError::new(HttpErrorKind::Unknown, error)),
        }
    }
}

fn kind(error: &ureq::Error) -> HttpErrorKind {
    match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    }
}
