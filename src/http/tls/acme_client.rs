//! Requests to an ACME directory, by the client that the server has anyway. Each has a deadline and a bound on its
//! answer.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use http::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts};

use crate::http::tls::TlsError;
use crate::limits;

pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// One that trusts what `root` says, or what browsers trust.
    pub fn new(root: Option<&Path>) -> Result<Self, TlsError> {
        let mut tls = ureq::tls::TlsConfig::builder();
        if let Some(path) = root {
            let bad = |problem: String| TlsError::File { path: path.display().to_string(), problem };
            let roots = CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
            let roots: Vec<_> = roots.filter_map(Result::ok).collect();
            if roots.is_empty() {
                return Err(bad("it has no certificate".into()));
            }
            let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            tls = tls.root_certs(RootCerts::from(roots.into_iter()));
        }
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls.build());
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
