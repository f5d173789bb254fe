//! The store, asked by the HTTP client that the server has anyway: each request on a thread of its own, which a store
//! that does not answer may hold without holding up anything else.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tokio::sync::oneshot;
use ureq::Agent;

use crate::limits;
use crate::record::name::RecordName;
use crate::record::upload::UploadConfig;

pub(super) struct Store {
    pub s3: AmazonS3,
    /// Where it is, with the bucket and the prefix.
    place: String,
    prefix: String,
}

impl Store {
    pub fn new(config: &UploadConfig) -> Result<Self, String> {
        let UploadConfig { endpoint, bucket, prefix, path_style, .. } = config;
        let base = if *path_style {
            endpoint.clone()
        } else {
            let (scheme, host) = endpoint.split_once("://").ok_or("the endpoint has no scheme")?;
            format!("{scheme}://{bucket}.{host}")
        };
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
            max_retries: limits::UPLOAD_REQUEST_RETRIES,
            retry_timeout: limits::UPLOAD_REQUEST_TIME,
        };
        let s3 = AmazonS3Builder::new()
            .with_region(&config.region)
            .with_bucket_name(bucket)
            .with_endpoint(&base)
            .with_virtual_hosted_style_request(!path_style)
            .with_allow_http(endpoint.starts_with("http://"))
            .with_access_key_id(config.access_key.expose())
            .with_secret_access_key(config.secret_key.expose())
            .with_retry(retry)
            .with_http_connector(Connector::new())
            .build()
            .map_err(|error| error.to_string())?;
        let bucket = if *path_style { format!("/{bucket}") } else { String::new() };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { s3, place: format!("{base}{bucket}/{prefix}"), prefix })
    }

    /// Where a recording goes.
    pub fn path(&self, name: &RecordName) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    /// Where what is known of it goes.
    pub fn sheet_path(&self, name: &RecordName) -> Path {
        Path::from(format!("{}{name}.json", self.prefix))
    }

    /// As people write it.
    pub fn url(&self, name: &RecordName) -> String {
        format!("{}{name}", self.place)
    }
}

#[derive(Clone, Debug)]
struct Connector {
    agent: Agent,
}

impl Connector {
    fn new() -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
        let config = config.timeout_global(Some(limits::UPLOAD_REQUEST_TIME));
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
