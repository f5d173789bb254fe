//! Nothing is traced.

use http::HeaderMap;
use tracing::warn;

/// What sends spans.
pub struct Traces;

/// Something that takes time.
pub struct Span;

impl Traces {
    /// Says so where somebody wants them.
    #[must_use]
    pub fn start(endpoint: Option<&str>) -> Self {
        if endpoint.is_some() {
            warn!(
                "traces are wanted (OTEL_EXPORTER_OTLP_ENDPOINT), but this binary is built without the feature traces"
            );
        }
        Self
    }
}

#[expect(clippy::unused_self, reason = "the same calls as where there is something")]
impl Span {
    /// A request that came.
    #[must_use]
    pub fn request(_: &HeaderMap, _: &'static str, _: &str, _: &str) -> Self {
        Self
    }

    /// A part of what is under way.
    #[must_use]
    pub fn step(_: &'static str) -> Self {
        Self
    }

    /// What happens in it.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        work.await
    }

    /// The status of the answer.
    pub fn answered(&self, _: u16) {}

    /// For whom it is passed on to.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
