//! A small S3 for tests, with the faults of a real one.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::io::ReaderStream;

/// What the next requests get instead of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// This status.
    Status(u16),
    /// Half of an answer.
    Cut,
    /// It is done, and then the connection is lost.
    Lost,
    /// It takes something else than what was sent.
    Wrong,
    /// It takes its time.
    Slow,
}

#[derive(Default)]
pub struct Shelf {
    /// Whole objects by path.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// How often each was put or completed.
    pub arrivals: BTreeMap<String, u32>,
    /// Pieces that were taken: path and number.
    pub pieces: Vec<(String, u32)>,
    open: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    faults: Vec<Fault>,
    /// Requests so far,
    pub requests: u32,
    /// and how many of them began or ended while another one was not answered.
    pub beside: u32,
    unanswered: u32,
}

pub struct FakeS3 {
    pub url: String,
    shelf: Arc<Mutex<Shelf>>,
    server: JoinHandle<()>,
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeS3 {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let router = Router::new().fallback(answer).with_state(shelf.clone());
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shelf, server }
    }

    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }

    /// What the next requests get, the first one first.
    pub fn fail(&self, faults: &[Fault]) {
        self.shelf().faults = faults.iter().rev().copied().collect();
    }

    pub fn faults_left(&self) -> usize {
        self.shelf().faults.len()
    }

    /// As if the store had forgotten all that is not whole.
    pub fn forget(&self) {
        self.shelf().open.clear();
    }
}

async fn answer(
    State(shelf): State<Arc<Mutex<Shelf>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, 64 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    assert!(headers.contains_key("authorization"), "{method} {uri} is not signed");
    let (fault, beside) = shelf.lock().unwrap().begin();
    match fault {
        Some(Fault::Status(status)) => {
            let body = "<Error><Code>Made</Code><AWSAccessKeyId>access</AWSAccessKeyId></Error>";
            shelf.lock().unwrap().unanswered -= 1;
            return (StatusCode::from_u16(status).unwrap(), body).into_response();
        }
        Some(Fault::Slow) => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
        _ => {}
    }
    let wrong = fault == Some(Fault::Wrong);
    let answer = {
        let mut shelf = shelf.lock().unwrap();
        shelf.beside += u32::from(beside || shelf.unanswered > 1);
        shelf.unanswered -= 1;
        shelf.answer(&method, &uri, &headers, &body, wrong)
    };
    match fault {
        Some(Fault::Lost) => broken(answer.status(), 1000, Vec::new()),
        Some(Fault::Cut) => {
            let (parts, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
            broken(parts.status, body.len() + 10, body[..body.len() / 2].to_vec())
        }
        _ => answer,
    }
}

/// It says that there is more than comes, and the connection ends.
fn broken(status: StatusCode, length: usize, body: Vec<u8>) -> Response {
    let body = Body::from_stream(ReaderStream::new(Cursor::new(body)));
    Response::builder().status(status).header("content-length", length).header("etag", "\"cut\"").body(body).unwrap()
}

impl Shelf {
    /// The fault, and whether another request is under way.
    fn begin(&mut self) -> (Option<Fault>, bool) {
        self.unanswered += 1;
        (self.faults.pop(), self.unanswered > 1)
    }

    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes, wrong: bool) -> Response {
        self.requests += 1;
        let path = uri.path().to_owned();
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let mut taken = body.to_vec();
        if wrong && let Some(first) = taken.first_mut() {
            *first ^= 1;
        }
        match (method.as_str(), query.get("uploadId")) {
            ("POST", None) if query.contains_key("uploads") => {
                let id = format!("upload-{}", self.requests);
                self.open.insert(id.clone(), BTreeMap::new());
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                    .into_response()
            }
            ("PUT", Some(id)) => {
                let number: u32 = query["partNumber"].parse().unwrap();
                let Some(open) = self.open.get_mut(id) else { return missing() };
                open.insert(number, taken);
                self.pieces.push((path, number));
                ([("etag", format!("\"{number}\""))], "").into_response()
            }
            ("POST", Some(id)) => {
                let Some(open) = self.open.remove(id) else { return missing() };
                let text = String::from_utf8_lossy(body);
                for number in open.keys() {
                    assert!(text.contains(&format!("<PartNumber>{number}</PartNumber>")), "{text}");
                }
                self.objects.insert(path.clone(), open.into_values().flatten().collect());
                *self.arrivals.entry(path).or_default() += 1;
                "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".into_response()
            }
            ("PUT", None) => {
                self.objects.insert(path.clone(), taken);
                *self.arrivals.entry(path).or_default() += 1;
                ([("etag", "\"one\"")], "").into_response()
            }
            ("GET" | "HEAD", _) => self.give(method, &path, headers),
            _ => StatusCode::NOT_IMPLEMENTED.into_response(),
        }
    }

    fn give(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let Some(object) = self.objects.get(path) else { return missing() };
        let meta = [("etag", "\"one\""), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")];
        if method == Method::HEAD {
            return (meta, [("content-length", object.len().to_string())], Body::empty()).into_response();
        }
        let range = headers.get("range").and_then(|range| range.to_str().ok()).and_then(|range| {
            let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
        });
        let Some((from, to)) = range else { return (meta, object.clone()).into_response() };
        let to = to.min(object.len() - 1);
        let content = [("content-range", format!("bytes {from}-{to}/{}", object.len()))];
        (StatusCode::PARTIAL_CONTENT, meta, content, object[from..=to].to_vec()).into_response()
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response()
}
