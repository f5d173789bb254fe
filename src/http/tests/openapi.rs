//! The description of the API is that of the API: the same routes and methods, and answers as it says.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::http::routes;

fn description() -> Value {
    serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap()
}

/// Fails where an answer is not what the description says of that route, method and status.
pub(super) fn check(route: &str, method: &str, answer: &Answer) {
    let description = description();
    let operation = &description["paths"][route][method.to_lowercase()];
    let case = format!("{method} {route}: {answer:?}");
    let mut response = &operation["responses"][answer.status.as_str()];
    if let Some(name) = response["$ref"].as_str() {
        response = description.pointer(name.trim_start_matches('#')).unwrap();
    }
    assert!(response.is_object(), "the status is not described: {case}");
    let media = answer.header("content-type").split(';').next().unwrap().to_owned();
    if answer.body.is_empty() || method == "HEAD" {
        return;
    }
    let schema = &response["content"][&media]["schema"];
    assert!(schema.is_object() || response["content"].is_null(), "the type is not described: {case}");
    if media == "application/json" {
        let mut schema = schema.clone();
        schema["components"] = description["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{case}\n{errors:#?}");
    }
}

#[test]
fn routes_and_methods_are_described_and_the_other_way_round() {
    let description = description();
    let methods = |path: &str| -> BTreeSet<String> {
        let item = description["paths"][path].as_object().unwrap();
        item.keys().filter(|key| *key != "parameters").map(|key| key.to_uppercase()).collect()
    };
    let described: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
    let there: BTreeSet<String> = routes::table().iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(described, there);
    for (path, allow) in routes::table() {
        assert_eq!(methods(path), allow.split(", ").map(str::to_owned).collect(), "{path}");
    }
}

#[tokio::test]
async fn every_route_has_the_methods_of_the_list() {
    let fixture = Fixture::open();
    for (path, allow) in routes::table() {
        let path =
            path.replace("{room}", "r").replace("{id}", "0").replace("{key}", "0").replace("{name}", "index.html");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let answer = fixture.ask(method, &path, &[], "").await;
            let allowed = allow.split(", ").any(|name| name == method);
            assert_eq!(answer.status == 405, !allowed, "{method} {path}");
            assert!(allowed || answer.header("allow") == allow, "{method} {path}: {answer:?}");
        }
    }
}

/// Identifiers are what generators of clients name their functions by.
#[test]
fn it_is_whole() {
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["summary"].is_string() && operation["security"].is_array(), "{method} {path}");
            let admin = operation["security"] == json!([{"bearer": []}, {"xAuthToken": []}]);
            let changes = path.starts_with("/api/records/") && !path.ends_with("/link");
            let is_admins = path.starts_with("/api/admin/") || changes;
            assert_eq!(admin, is_admins && method != "options", "{method} {path}");
        }
    }
    for text in description.to_string().split("\"$ref\":\"#").skip(1) {
        let pointer = text.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn it_is_served() {
    let fixture = Fixture::open();
    let answer = fixture.ask("GET", "/api/openapi.json", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, description()));
    check("/api/openapi.json", "GET", &answer);
    for (path, method) in [("/api/bootstrap", "GET"), ("/healthz", "GET"), ("/readyz", "GET"), ("/readyz", "POST")] {
        if method == "GET" {
            check(path, method, &fixture.ask(method, path, &[], "").await);
        }
    }
}

/// From its beginning to its end, each answer is as it is described.
#[tokio::test]
async fn a_sessions_answers_are_as_described() {
    let fixture = Fixture::open();
    check("/whep/{room}", "POST", &fixture.play("room").await);
    let publisher = fixture.publish("room").await;
    check("/whip/{room}", "POST", &publisher);
    check("/whip/{room}", "POST", &fixture.publish("room").await);
    check("/whep/{room}", "POST", &fixture.play("room").await);
    check("/whip/{room}", "POST", &fixture.ask("POST", "/whip/room", &[SDP], "junk").await);
    check("/whip/{room}", "POST", &fixture.ask("POST", "/whip/room", &[], "").await);
    check("/api/rooms", "GET", &fixture.ask("GET", "/api/rooms", &[], "").await);
    check("/api/rooms/{room}", "GET", &fixture.ask("GET", "/api/rooms/room", &[], "").await);
    check("/api/rooms/{room}", "GET", &fixture.ask("GET", "/api/rooms/other", &[], "").await);
    for method in ["GET", "HEAD", "OPTIONS", "PATCH", "DELETE", "DELETE"] {
        let answer = fixture.ask(method, &publisher.location(), &[], "").await;
        check("/api/whip/session/{id}", method, &answer);
    }
}
