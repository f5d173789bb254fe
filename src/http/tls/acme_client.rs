//! Requests to an ACME directory, by the client that the server has anyway. Each has a deadline and a bound on its
//! answer.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use http::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use ureq::Agent;

use crate::fetch;
use crate::http::tls::TlsError;
use crate::limits;

pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// One that trusts what `root` says, or what browsers trust.
    pub fn new(root: Option<&Path>) -> Result<Self, TlsError> {
        let tls = fetch::trusting(root).map_err(|problem| {
            let path = root.map(|path| path.display().to_string()).unwrap_or_default();
            TlsError::File { path, problem }
        })?;
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls);
        let config = config.timeout_global(Some(limits::ACME_REQUEST_TIME));
        Ok(Self { agent: config.user_agent(concat!("rillcast/", env!("CARGO_PKG_VERSION"))).build().into() })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let agent = self.agent.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(Body::new(body), limits::ACME_BYTES).await;
            let body = body.map_err(|error| Error::Other(Box::new(error)))?;
            let call = move || {
                let mut response = agent.run(Request::from_parts(parts, &body[..]))?;
                let answer = response.body_mut().with_config().limit(limits::ACME_BYTES as u64).read_to_vec()?;
                Ok::<_, ureq::Error>(response.map(|_| answer))
            };
            let answered = tokio::task::spawn_blocking(call).await.map_err(|error| Error::Other(Box::new(error)))?;
            let response: Response<Vec<u8>> = answered.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(response.map(Body::from)))
        })
    }
}
