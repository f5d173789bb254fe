//! Spans go to a collector by OTLP over HTTP, in batches, from a thread of their own. What the collector does not take
//! is dropped: nothing waits for it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{info, warn};
use ureq::Agent;

/// From a batch to the collector's answer.
const EXPORT_TIME: Duration = Duration::from_secs(5);
/// Most that a collector may answer.
const ANSWER_BYTES: u64 = 64 << 10;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What sends spans; what is there when it is dropped is sent.
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// To the collector at this address (`http://host:4318`), if there is one.
    #[must_use]
    pub fn start(endpoint: Option<&str>) -> Self {
        let Some(endpoint) = endpoint else { return Self(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIME)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                warn!(%error, "nothing is traced");
                return Self(None);
            }
        };
        // OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and OTEL_TRACES_SAMPLER are the library's to read.
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("rillcast");
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        if TRACER.set(provider.tracer("rillcast")).is_ok() {
            info!("requests are traced");
        }
        Self(Some(provider))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            warn!(%error, "the last spans were not sent");
        }
    }
}

/// Something that takes time: until this is dropped.
pub struct Span(Option<Context>);

impl Span {
    /// A request that came; it belongs to the trace that it names (`traceparent`, W3C Trace Context). `id` is its name
    /// in the log.
    #[must_use]
    pub fn request(headers: &HeaderMap, method: &'static str, route: &str, id: &str) -> Self {
        Self(TRACER.get().map(|tracer| {
            let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
            let attributes = [
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("rillcast.request_id", id.to_owned()),
            ];
            let span = tracer.span_builder(format!("{method} {route}")).with_kind(SpanKind::Server);
            let span = span.with_attributes(attributes).start_with_context(tracer, &parent);
            parent.with_span(span)
        }))
    }

    /// A part of what is under way; nothing where that is not traced.
    #[must_use]
    pub fn step(name: &'static str) -> Self {
        let current = Context::current();
        let tracer = TRACER.get().filter(|_| current.has_active_span());
        Self(tracer.map(|tracer| {
            let span = tracer.span_builder(name).start_with_context(tracer, &current);
            current.with_span(span)
        }))
    }

    /// What happens in it.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// The status of the answer; a fault of ours marks the span.
    pub fn answered(&self, status: u16) {
        let Some(context) = &self.0 else { return };
        context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            context.span().set_status(Status::error(""));
        }
    }

    /// For whom it is passed on to.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = HashMap::new();
        if let Some(context) = &self.0 {
            TraceContextPropagator::new().inject_context(context, &mut headers);
        }
        headers.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// Our HTTP client, on the thread of whoever exports.
#[derive(Debug)]
struct Client(Agent);

impl Client {
    fn new() -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
        Self(config.timeout_global(Some(EXPORT_TIME)).build().into())
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let answer = self.0.run(Request::from_parts(head, &body[..]))?;
            let (head, mut body) = answer.into_parts();
            let bytes = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
            Ok(Response::from_parts(head, bytes.into()))
        })
    }
}
