//! `/api/records` and `/records/{name}`: what is in the folder, and for whom.

use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::auth::RoomAccess;
use crate::http::tests::openapi::check;
use crate::id::RoomPattern;
use crate::record::RecordConfig;
use crate::record::library::testing::TestFolder;

fn library(folder: &TestFolder) -> Library {
    Library::open(&RecordConfig { enabled: true, folder: folder.path.clone() }).unwrap()
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|at| b'a' + (at % 26) as u8).collect()
}

#[tokio::test]
async fn the_list_is_empty_and_never_null() {
    let folder = TestFolder::new("none");
    let off = Library::open(&RecordConfig { enabled: false, folder: folder.path.clone() }).unwrap();
    folder.file("a_av_1.mp4", b"x", Duration::ZERO);
    let gone = TestFolder::new("gone");
    let lost = library(&gone);
    drop(gone);
    for library in [off, library(&TestFolder::new("empty")), lost] {
        let fixture = Fixture::with_library(&AuthConfig::default(), library);
        let answer = fixture.ask("GET", "/api/records", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "[]"));
        assert_eq!(answer.header("content-type"), "application/json");
        let file = fixture.ask("GET", "/records/a_av_1.mp4", &[], "").await;
        assert_eq!(file.verdict(), (404, "record not found".to_owned()));
    }
}

#[tokio::test]
async fn the_list_has_name_size_time_and_address_newest_first() {
    let folder = TestFolder::new("some");
    folder.file("my_room_av_1.mp4", &bytes(12), Duration::from_secs(20));
    folder.file("b_audio_2.ogg", &bytes(3), Duration::from_secs(10));
    folder.file("b_audio_3.ogg.part", &bytes(3), Duration::ZERO);
    folder.file("b_audio_2.ogg.json", b"{}", Duration::ZERO);
    let fixture = Fixture::with_library(&AuthConfig::default(), library(&folder));
    let answer = fixture.ask("GET", "/api/records", &[], "").await;
    check("/api/records", "GET", &answer);
    let list = answer.json();
    let rows: Vec<_> = list.as_array().unwrap().iter().collect();
    let fields = |row: &Value| json!([row["name"], row["size"], row["url"], row["room"]]);
    assert_eq!(rows.len(), 2);
    assert_eq!(fields(rows[0]), json!(["b_audio_2.ogg", 3, "/records/b_audio_2.ogg", "b"]));
    assert_eq!(fields(rows[1]), json!(["my_room_av_1.mp4", 12, "/records/my_room_av_1.mp4", "my_room"]));
    let time = rows[0]["modTime"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() >= 20 && time.as_bytes()[10] == b'T', "{time}");
    let bootstrap = fixture.ask("GET", "/api/bootstrap", &[], "").await.json();
    assert_eq!((&bootstrap["recordEnabled"], &bootstrap["features"]["records"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_file_comes_whole_or_in_parts() {
    let folder = TestFolder::new("parts");
    // More than one piece.
    let content = bytes(200_000);
    folder.file("a_av_1.webm", &content, Duration::from_secs(100));
    let fixture = Fixture::with_library(&AuthConfig::default(), library(&folder));
    let whole = fixture.ask("GET", "/records/a_av_1.webm", &[], "").await;
    assert_eq!((whole.status.as_u16(), whole.body.as_bytes() == content), (200, true));
    let etag = whole.header("etag").to_owned();
    for (name, value) in [
        ("content-type", "video/webm"),
        ("content-length", "200000"),
        ("accept-ranges", "bytes"),
        ("content-disposition", ""),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    assert!(etag.starts_with('"') && etag.ends_with('"'), "a strong tag: {etag}");
    assert!(whole.header("last-modified").ends_with(" GMT"));

    let path = "/records/a_av_1.webm?download=1";
    let last = "bytes 199990-199999/200000";
    for (method, headers, status, range, length) in [
        ("GET", &[("range", "bytes=-10")][..], 206, last, 10),
        ("GET", &[("range", "bytes=199990-")], 206, last, 10),
        ("GET", &[("range", "bytes=199990-900000"), ("if-range", &etag)], 206, last, 10),
        ("GET", &[("range", "bytes=199990-"), ("if-range", whole.header("last-modified"))], 206, last, 10),
        ("GET", &[("range", "bytes=199990-"), ("if-range", "\"other\"")], 200, "", 200_000),
        ("GET", &[("range", "bytes=1-2,4-5")], 200, "", 200_000),
        ("GET", &[("range", "bytes=65535-65536")], 206, "bytes 65535-65536/200000", 2),
        ("GET", &[("range", "bytes=200000-")], 416, "bytes */200000", 0),
        ("GET", &[("if-none-match", &etag)], 304, "", 0),
        ("GET", &[("if-match", "\"other\"")], 412, "", 0),
        ("HEAD", &[], 200, "", 0),
        ("HEAD", &[("range", "bytes=0-1")], 200, "", 0),
        ("HEAD", &[("if-none-match", &etag)], 304, "", 0),
    ] {
        let answer = fixture.ask(method, path, headers, "").await;
        let case = format!("{method} {headers:?}: {:?}", answer.headers);
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (status, range), "{case}");
        check("/records/{name}", method, &answer);
        if matches!(status, 200 | 206) {
            let sent = if method == "HEAD" { 200_000 } else { length };
            assert_eq!(answer.header("content-length"), sent.to_string(), "{case}");
            assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a_av_1.webm\"", "{case}");
            assert_eq!(answer.body.len(), length, "{case}");
        }
        if status == 206 {
            let first: usize = range[6..].split('-').next().unwrap().parse().unwrap();
            assert_eq!(answer.body.as_bytes(), &content[first..first + length], "{case}");
        }
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.body.as_str()), (etag.as_str(), ""), "{case}");
        }
    }
    // Another version has another tag.
    folder.file("a_av_1.webm", &content, Duration::from_secs(50));
    let again = fixture.ask("GET", "/records/a_av_1.webm", &[("if-none-match", &etag)], "").await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let outside = TestFolder::new("outside");
    outside.file("secret.mp4", b"secret", Duration::ZERO);
    let folder = TestFolder::new("inside");
    folder.file("a_av_1.mp4", b"video", Duration::ZERO);
    folder.file("a_av_2.mp4.part", b"secret", Duration::ZERO);
    folder.file("a_av_1.mp4.json", b"secret", Duration::ZERO);
    folder.file(".hidden.mp4", b"secret", Duration::ZERO);
    folder.file("notes.txt", b"secret", Duration::ZERO);
    symlink(outside.path.join("secret.mp4"), folder.path.join("link_av_1.mp4")).unwrap();
    symlink(&outside.path, folder.path.join("up")).unwrap();
    let fixture = Fixture::with_library(&AuthConfig::default(), library(&folder));
    assert_eq!(fixture.ask("GET", "/records/a_av_1.mp4", &[], "").await.body, "video");
    // Percent-encoding is undone once, and by that alone.
    assert_eq!(fixture.ask("GET", "/records/%61_av_1%2Emp4", &[], "").await.body, "video");
    let absolute = outside.path.join("secret.mp4").display().to_string();
    let encoded = absolute.replace('/', "%2f");
    for name in [
        "..",
        ".",
        "%2e%2e",
        "%2e%2e/",
        "../secret.mp4",
        "..%2fsecret.mp4",
        "%2e%2e%2fsecret.mp4",
        "..%5csecret.mp4",
        "%252e%252e%252fsecret.mp4",
        "....//secret.mp4",
        "up/secret.mp4",
        "up%2fsecret.mp4",
        "./a_av_1.mp4",
        ".%2fa_av_1.mp4",
        "a_av_1.mp4%00",
        "a_av_1.mp4%00.mp4",
        "%00a_av_1.mp4",
        "a_av_1.mp4/",
        "a_av_1.mp4%2f",
        "a_av_1.mp4%20",
        "a_av_1.mp4.",
        "A_AV_1.MP4",
        "link_av_1.mp4",
        "a_av_2.mp4.part",
        "a_av_2.mp4",
        "a_av_1.mp4.json",
        ".hidden.mp4",
        "notes.txt",
        "%ff_av_1.mp4",
        &format!("%2f{}", &encoded[3..]),
        &absolute,
        &format!("{}_av_1.mp4", "a".repeat(4000)),
    ] {
        let answer = fixture.ask("GET", &format!("/records/{name}"), &[], "").await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.body);
        assert!(!answer.body.contains("secret"), "{name}");
    }
}

#[tokio::test]
async fn recordings_are_for_who_may_play_their_room_and_for_the_administrator() {
    let folder = TestFolder::new("rooms");
    for name in ["open_av_1.mp4", "own_av_1.mp4", "other_av_1.mp4", "own_x_av_1.mp4"] {
        folder.file(name, b"video", Duration::ZERO);
    }
    let access = |room: &str, token: Option<&str>, play| RoomAccess {
        pattern: RoomPattern::parse(room).unwrap(),
        token: token.map(Secret::new),
        play,
        play_token: None,
        publish_token: None,
    };
    let auth = AuthConfig {
        token: Some(Secret::new("global")),
        admin_token: Some(Secret::new(ADMIN.1)),
        rooms: vec![access("own", Some("own"), None), access("open", None, Some(crate::auth::PlayPolicy::Open))],
        ..AuthConfig::default()
    };
    let fixture = Fixture::with_library(&auth, library(&folder));
    let all = ["open_av_1.mp4", "other_av_1.mp4", "own_av_1.mp4", "own_x_av_1.mp4"];
    for (token, seen, listed) in [
        ("", &["open_av_1.mp4"][..], false),
        ("wrong", &["open_av_1.mp4"], false),
        ("global", &["open_av_1.mp4", "other_av_1.mp4", "own_x_av_1.mp4"], true),
        ("own", &["open_av_1.mp4", "own_av_1.mp4"], true),
        (ADMIN.1, &all, true),
    ] {
        let headers = [("x-auth-token", token)];
        let list = fixture.ask("GET", "/api/records", &headers, "").await;
        assert_eq!(list.status, if listed { 200 } else { 401 }, "{token}");
        if listed {
            let list = list.json();
            let mut names: Vec<_> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, seen, "{token}");
        }
        for name in all {
            let answer = fixture.ask("GET", &format!("/records/{name}"), &headers, "").await;
            assert_eq!(answer.status, if seen.contains(&name) { 200 } else { 401 }, "{token} {name}");
        }
        // Whether there is one is not said either.
        let nothing = fixture.ask("GET", "/records/other_av_2.mp4", &headers, "").await;
        let may = seen.contains(&"other_av_1.mp4");
        assert_eq!(nothing.status, if may { 404 } else { 401 }, "{token}");
    }
}

#[tokio::test]
async fn so_many_downloads_at_a_time() {
    let folder = TestFolder::new("many");
    folder.file("a_av_1.mp4", &bytes(300_000), Duration::ZERO);
    let fixture = Fixture::with_library(&AuthConfig::default(), library(&folder));
    let ask = || Request::builder().uri("/records/a_av_1.mp4").body(Body::empty()).unwrap();
    let mut held = Vec::new();
    for _ in 0..crate::limits::RECORD_DOWNLOADS {
        let answer = fixture.router.clone().oneshot(ask()).await.unwrap();
        assert_eq!(answer.status(), 200);
        held.push(answer);
    }
    let refused = fixture.ask("GET", "/records/a_av_1.mp4", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "2"));
    held.pop();
    assert_eq!(fixture.ask("GET", "/records/a_av_1.mp4", &[], "").await.status, 200);
}
