//! Trickle and ICE restarts.

use super::*;
use crate::id::SessionId;
use crate::session::testing::Mood;

const CLIENT: (&str, &str) = ("F8cG", "kYXTERT/WUQHfI9kJci9Aihj");
const NEW: (&str, &str) = ("newU", "newPasswordNewPassword1234");

fn fragment((ufrag, pwd): (&str, &str)) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n"
    )
}

/// A session whose client has the credentials [`CLIENT`]: its path and its tag.
async fn session(fixture: &Fixture) -> (String, String) {
    // The fragment and the offer were recorded at different times.
    let recorded = offer("chromium-trickle-whip.sdp");
    let offer = recorded.replace("OzhJ", CLIENT.0).replace("DGT4GEVa+i7pym+aCVTRxM8x", CLIENT.1);
    let created = fixture.ask("POST", "/whip/room", &[SDP], offer).await;
    assert_eq!(created.status, 201, "{created:?}");
    (created.location(), created.header("etag").to_owned())
}

#[tokio::test]
async fn what_a_patch_gets() {
    let (current, stale) = ("current", "\"stale\"");
    let trickle = offer("chromium-trickle-patch.sdpfrag");
    let foreign_mid =
        fragment(CLIENT).replace("mid:0", "mid:video0").replace("m=audio 9 UDP/TLS/RTP/SAVPF 0", "m=x y z");
    let candidates_only =
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".to_owned();
    // If-Match, body, status lenient and strict.
    let table: [(Option<&str>, &str, u16, u16); 16] = [
        (None, &trickle, 204, 428),
        (Some(current), &trickle, 204, 204),
        (Some(stale), &trickle, 412, 412),
        (Some("*"), &trickle, 204, 204),
        (None, &foreign_mid, 204, 428),
        (None, &candidates_only, 204, 428),
        (Some(current), &candidates_only, 204, 204),
        (Some("W/current"), &trickle, 412, 412),
        (None, &fragment(NEW), 200, 428),
        (Some(current), &fragment(NEW), 200, 200),
        (Some("*"), &fragment(NEW), 200, 200),
        (Some("\"*\""), &fragment(NEW), 200, 200),
        (Some(stale), &fragment(NEW), 412, 412),
        (None, &fragment((NEW.0, CLIENT.1)), 400, 428),
        (Some("*"), &fragment((CLIENT.0, NEW.1)), 400, 400),
        (Some(current), "a=ice-ufrag:x\r\na=ice-pwd:\u{0}\r\n", 400, 400),
    ];
    for strict in [false, true] {
        for (if_match, body, lenient_status, strict_status) in &table {
            let fixture = Fixture::with(SessionConfig { strict_etag: strict, ..SessionConfig::default() });
            let (location, etag) = session(&fixture).await;
            let tag = if_match.map(|tag| tag.replace(current, &etag));
            let mut headers = vec![FRAGMENT];
            headers.extend(tag.as_deref().map(|tag| ("if-match", tag)));
            let answer = fixture.ask("PATCH", &location, &headers, (*body).to_owned()).await;
            let case = format!("strict {strict}, {if_match:?}, {body:?}: {answer:?}");
            let expected = if strict { *strict_status } else { *lenient_status };
            assert_eq!(answer.status, expected, "{case}");
            let restarted = expected == 200;
            assert_eq!(answer.header("content-type") == FRAGMENT.1, restarted, "{case}");
            assert_eq!(answer.headers.contains_key("etag"), restarted, "{case}");
            assert_ne!(answer.header("etag"), etag, "{case}");
            let after = fixture.ask("PATCH", &location, &[FRAGMENT, ("if-match", &etag)], trickle.clone()).await;
            assert_eq!(after.status, if restarted { 412 } else { 204 }, "{case}");
        }
    }
}

#[tokio::test]
async fn types() {
    let fixture = Fixture::open();
    let (location, _) = session(&fixture).await;
    let table = [
        (Some("application/trickle-ice-sdpfrag"), 204),
        (Some("Application/Trickle-ICE-SDPFrag; charset=utf-8"), 204),
        (Some("application/sdp"), 415),
        (Some("text/plain"), 415),
        (None, 415),
    ];
    for (kind, status) in table {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let answer = fixture.ask("PATCH", &location, &headers, fragment(CLIENT)).await;
        assert_eq!(answer.status, status, "{kind:?}");
    }
}

#[tokio::test]
async fn a_restart_gives_both_sides_new_credentials() {
    let fixture = Fixture::open();
    let (location, etag) = session(&fixture).await;
    let id = SessionId::parse(location.rsplit('/').next().unwrap()).unwrap();
    let (first, _) = fixture.workers[0].credentials(id);
    let answer = fixture.ask("PATCH", &location, &[FRAGMENT, ("if-match", "*")], fragment(NEW)).await;
    let (local, remote) = fixture.workers[0].credentials(id);
    assert!(local.ufrag != first.ufrag && local.pwd != first.pwd);
    assert_eq!((remote.ufrag.as_str(), remote.pwd.as_str()), NEW);
    assert!(answer.body.contains(&format!("a=ice-ufrag:{}\r\n", local.ufrag)), "{}", answer.body);
    assert!(answer.body.contains(&format!("a=ice-pwd:{}\r\n", local.pwd)), "{}", answer.body);
    assert!(answer.body.contains("192.0.2.1 7000 typ host"), "{}", answer.body);
    let second = answer.header("etag").to_owned();
    assert_ne!(second, etag);
    // Late candidates of the time before the restart do not turn it back; the same restart again is none.
    for late in [CLIENT, NEW] {
        assert_eq!(fixture.ask("PATCH", &location, &[FRAGMENT], fragment(late)).await.status, 204);
        assert_eq!(fixture.workers[0].credentials(id).1.ufrag, NEW.0);
    }
    let third = ("thirdU", "thirdPasswordThirdPassword");
    let answer = fixture.ask("PATCH", &location, &[FRAGMENT, ("if-match", &second)], fragment(third)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failed_restart_leaves_the_session_as_it_was() {
    for (mood, status) in [(Mood::Busy, 503), (Mood::Silent, 503), (Mood::Deaf, 503)] {
        let fixture = Fixture::open();
        let (location, etag) = session(&fixture).await;
        fixture.workers[0].set_mood(mood);
        let answer = fixture.ask("PATCH", &location, &[FRAGMENT], fragment(NEW)).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, "2"), "{mood:?}");
        fixture.workers[0].set_mood(Mood::Willing);
        let headers = [FRAGMENT, ("if-match", etag.as_str())];
        let answer = fixture.ask("PATCH", &location, &headers, fragment(CLIENT)).await;
        assert_eq!(answer.status, 204, "{mood:?}: same tag, same credentials");
        let answer = fixture.ask("PATCH", &location, &headers, fragment(NEW)).await;
        assert_eq!(answer.status, 200, "{mood:?}: and it can be tried again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_restarts_at_once_with_one_tag_one_succeeds() {
    let fixture = Arc::new(Fixture::open());
    let (location, etag) = session(&fixture).await;
    let patches: Vec<_> = (0..8)
        .map(|i| {
            let (fixture, location, etag) = (fixture.clone(), location.clone(), etag.clone());
            tokio::spawn(async move {
                let pwd = format!("passwordPasswordPassword{i}");
                let body = fragment((&format!("ufrag{i}"), &pwd));
                fixture.ask("PATCH", &location, &[FRAGMENT, ("if-match", &etag)], body).await.status.as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for patch in patches {
        statuses.push(patch.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}
