//! The recordings: `/api/records…` and `/records/{name}`. A recording is for who may play its room; the administrator
//! changes what is known of it, and deletes it.

mod change;
#[cfg(feature = "upload")]
mod elsewhere;
mod file;
mod json;
mod range;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderName, Method};

use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, Methods, RoomPath};
use crate::http::info::{METHODS, fresh, options, query, read_only};
use crate::http::records::json::RecordJson;
use crate::http::{Api, client_address};
use crate::id::RoomName;
use crate::limits;
use crate::notify::now;
use crate::record::library::Recording;
use crate::record::library::query::Query;
use crate::record::name::RecordName;
use crate::record::sheet::State as RecordState;
use crate::record::{day, parse_time};

pub(super) use crate::http::records::change::{change, link, mark, upload};

/// Methods of what is known of a recording.
pub(super) const CHANGE: Methods = Methods { allow: "PATCH, DELETE, OPTIONS" };

/// How many there are, where the answer is one page of them.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// The recordings of the rooms that one may play, newest first.
pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let asked = asked(&request);
    let grant = gate::reader(&api, &Asked::of(&request), None).await?;
    let admin = grant.is_none();
    let may = grant.map(|grant| {
        let api = api.clone();
        move |room: &RoomName| api.auth.covers(&grant, room)
    });
    let gives = api.gives_uploaded();
    let page = api.library.find(Query { with_deleted: gives, ..asked? }, may).await?;
    let json = |recording: Recording| {
        let mut json = RecordJson::new(recording, admin);
        json.available |= gives;
        json
    };
    let records: Vec<_> = page.recordings.into_iter().map(json).collect();
    let mut answer = fresh(Json(records));
    answer.headers_mut().insert(TOTAL, page.total.into());
    Ok(answer)
}

/// What the query asks for.
fn asked(request: &Request) -> Result<Query, ApiError> {
    let wrong = |name: &str, what: &str| ApiError::InvalidRequest(format!("{name} is {what}"));
    let mut query = Query::default();
    let (mut page, mut size) = (None, limits::RECORDS_PER_PAGE_DEFAULT);
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        if value.is_empty() {
            continue;
        }
        let number = || value.parse::<usize>().ok().filter(|number| *number > 0);
        match &*name {
            "room" => query.room = Some(RoomName::parse(&value).ok_or(ApiError::InvalidRoomName)?),
            "from" => query.from = Some(parse_time(&value).ok_or_else(|| wrong("from", "a day or a time"))?),
            // All of the last day, too.
            "to" => query.to = Some(day(&value).or(parse_time(&value)).ok_or_else(|| wrong("to", "a day or a time"))?),
            "text" if value.len() > limits::RECORD_SEARCH_BYTES => return Err(wrong("text", "too long")),
            "text" => query.text = value.into_owned(),
            "state" => query.state = Some(RecordState::parse(&value).ok_or_else(|| wrong("state", "no state"))?),
            "page" => page = Some(number().ok_or_else(|| wrong("page", "a number from 1"))?),
            "per_page" => {
                size = number().ok_or_else(|| wrong("per_page", "a number from 1"))?.min(limits::RECORDS_PER_PAGE);
                page = page.or(Some(1));
            }
            _ => {}
        }
    }
    query.page = page.map(|page| (page, size));
    Ok(query)
}

/// A recording's name from the path.
fn record_name(name: RoomPath) -> Result<RecordName, ApiError> {
    name.ok().and_then(|Path(name)| RecordName::parse(&name)).ok_or(ApiError::RecordNotFound)
}

/// The file of one.
pub(super) async fn file(State(api): State<Arc<Api>>, name: RoomPath, request: Request) -> Result<Response, ApiError> {
    METHODS.check(request.method())?;
    let name = record_name(name)?;
    if *request.method() == Method::OPTIONS {
        return Ok(options(&METHODS));
    }
    let until = match link_until(&api, &name, &request) {
        Some(until) => Some(until),
        None => gate::reader(&api, &Asked::of(&request), Some(name.room())).await?.and_then(|grant| grant.expires_at),
    };
    let share = api.downloads.enter(client_address::of(request.extensions()))?;
    let to_keep = query(&request, "download").is_some_and(|value| value == "1");
    let request = request.into_parts().0;
    #[cfg(feature = "upload")]
    if let Some(answer) = elsewhere::answer(&api, &name, to_keep, &request, until).await? {
        return Ok(share.until_sent(answer));
    }
    #[cfg(not(feature = "upload"))]
    let _ = until;
    let download = api.library.download(&name).await?;
    file::answer(download, &name, to_keep, &request).await.map(|answer| share.until_sent(answer))
}

/// Who shows a link that holds needs nothing else: until then.
fn link_until(api: &Api, name: &RecordName, request: &Request) -> Option<SystemTime> {
    let until = query(request, "expires")?.parse().ok()?;
    let since = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let holds = api.library.signer().holds(name, until, query(request, "signature")?, since.as_secs());
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(until)).filter(|_| holds)
}
