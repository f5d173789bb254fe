//! The webhook, on a server on loopback.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::auth::testing::Server;
use crate::auth::{Action, AuthConfig, Authenticator, Grant, Need, Presented, Refusal};
use crate::id::{ClientAddress, RoomName};
use crate::limits;
use crate::secret::Secret;

const TOKEN: &str = "correct horse battery staple";

async fn start(status: u16, body: &str) -> (Server, Authenticator) {
    let server = Server::start(status, body).await;
    let config = AuthConfig {
        token: Some(Secret::new("static")),
        webhook_url: Some(server.url.clone()),
        session_outlives_token: false,
        ..AuthConfig::default()
    };
    (server, Authenticator::new(&config))
}

async fn ask(auth: &Authenticator, token: Option<&str>, action: Action) -> Result<Grant, Refusal> {
    let room = RoomName::parse("room").unwrap();
    let address = ClientAddress::new([192, 0, 2, 7].into());
    auth.authorize(&Presented::new(None, token, address), Need::in_room(action, &room)).await
}

#[tokio::test]
async fn it_is_asked_without_the_token_and_once_for_a_while() {
    let (server, auth) = start(200, "{\"allow\": true}").await;
    for _ in 0..3 {
        assert!(ask(&auth, Some(TOKEN), Action::Publish).await.is_ok());
    }
    assert!(ask(&auth, Some("static"), Action::Publish).await.is_ok(), "what is known is not asked");
    assert!(ask(&auth, None, Action::Play).await.is_ok());
    assert_eq!(ask(&auth, Some(TOKEN), Action::Admin).await, Err(Refusal::NoAdmin), "that is not for it to say");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(!requests.iter().any(|request| request.contains("horse")));
    let bodies = requests.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1);
    let bodies: Vec<Value> = bodies.map(|body| serde_json::from_str(body).unwrap()).collect();
    let digest = "c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a";
    assert_eq!(
        bodies,
        [
            json!({"action": "publish", "room": "room", "address": "192.0.2.7", "token_sha256": digest}),
            json!({"action": "play", "room": "room", "address": "192.0.2.7", "token_sha256": null}),
        ]
    );
}

#[tokio::test]
async fn what_is_no_clear_yes_is_a_no() {
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 60;
    let table = [
        (200, json!({"allow": true}).to_string(), None),
        (200, json!({"allow": true, "expires_at": soon, "more": 1}).to_string(), None),
        (200, json!({"allow": true, "expires_at": 1}).to_string(), Some(Refusal::Denied)),
        (200, json!({"allow": true, "expires_at": u64::MAX}).to_string(), Some(Refusal::WebhookFailed)),
        (200, json!({"allow": true, "expires_at": "soon"}).to_string(), Some(Refusal::WebhookFailed)),
        (200, json!({"allow": false}).to_string(), Some(Refusal::Denied)),
        (200, json!({"allow": "true"}).to_string(), Some(Refusal::WebhookFailed)),
        (200, json!({"allow": 1}).to_string(), Some(Refusal::WebhookFailed)),
        (200, "{}".into(), Some(Refusal::WebhookFailed)),
        (200, "<html>".into(), Some(Refusal::WebhookFailed)),
        (200, String::new(), Some(Refusal::WebhookFailed)),
        (200, "x".repeat(1 << 20), Some(Refusal::WebhookFailed)),
        (204, String::new(), Some(Refusal::WebhookFailed)),
        (302, json!({"allow": true}).to_string(), Some(Refusal::WebhookFailed)),
        (401, json!({"allow": true}).to_string(), Some(Refusal::Denied)),
        (403, String::new(), Some(Refusal::Denied)),
        (404, json!({"allow": true}).to_string(), Some(Refusal::WebhookFailed)),
        (500, json!({"allow": true}).to_string(), Some(Refusal::WebhookFailed)),
    ];
    for (status, body, refusal) in table {
        let (_server, auth) = start(status, &body).await;
        let verdict = ask(&auth, Some(TOKEN), Action::Play).await;
        assert_eq!(verdict.as_ref().err(), refusal.as_ref(), "{status} {body}");
        let ends = verdict.is_ok_and(|grant| grant.session_until.is_some());
        assert_eq!(ends, refusal.is_none() && body.contains("expires_at"), "{body}");
    }
}

#[tokio::test]
async fn a_slow_or_absent_one_refuses_in_time_and_holds_few() {
    let (server, auth) = start(200, "{\"allow\": true}").await;
    server.delay(Duration::from_mins(1));
    let refusals = ask_at_once(Arc::new(auth), |number| format!("t{number}")).await;
    let of = |refusal| refusals.iter().filter(|verdict| **verdict == Err(refusal)).count();
    assert_eq!(of(Refusal::WebhookBusy) + of(Refusal::WebhookFailed), 50);
    assert!(of(Refusal::WebhookFailed) >= limits::AUTH_WEBHOOK_QUESTIONS, "{refusals:?}");
    assert!(refusals.iter().flatten().count() == 0 && Refusal::WebhookBusy.is_outage() && !Refusal::Denied.is_outage());
    let gone = AuthConfig { webhook_url: Some("http://127.0.0.1:1/".into()), ..AuthConfig::default() };
    let auth = Authenticator::new(&gone);
    assert!(auth.is_enabled());
    assert_eq!(ask(&auth, None, Action::Play).await, Err(Refusal::WebhookFailed));
}

#[tokio::test]
async fn many_at_once_wait_for_each_other_and_the_same_question_is_asked_but_by_the_first() {
    let (server, auth) = start(200, "{\"allow\": true}").await;
    server.delay(Duration::from_millis(20));
    let auth = Arc::new(auth);
    for verdict in ask_at_once(auth.clone(), |number| format!("t{number}")).await {
        assert_eq!(verdict, Ok(()));
    }
    assert_eq!(server.requests().len(), 50);
    for verdict in ask_at_once(auth, |_| "the same".to_owned()).await {
        assert_eq!(verdict, Ok(()));
    }
    assert!(server.requests().len() <= 50 + limits::AUTH_WEBHOOK_QUESTIONS, "{}", server.requests().len());
}

/// Fifty ask for it at the same time.
async fn ask_at_once(auth: Arc<Authenticator>, token: impl Fn(usize) -> String) -> Vec<Result<(), Refusal>> {
    let asks: Vec<_> = (0..50)
        .map(|number| {
            let (auth, token) = (auth.clone(), token(number));
            tokio::spawn(async move { ask(&auth, Some(&token), Action::Play).await.map(drop) })
        })
        .collect();
    let mut verdicts = Vec::new();
    for verdict in asks {
        verdicts.push(verdict.await.unwrap());
    }
    verdicts
}
