//! `/api/records` and `/records/{name}`: what is in the folder, and for whom.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::auth::RoomAccess;
use crate::http::tests::openapi::check;
use crate::id::RoomPattern;
use crate::record::RecordConfig;
use crate::record::library::testing::TestFolder;
use crate::record::retention::Rules;

fn library(folder: &TestFolder) -> Library {
    let config = RecordConfig { enabled: true, folder: folder.path.clone(), ..RecordConfig::default() };
    Library::open(&config, None).unwrap()
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|at| b'a' + (at % 26) as u8).collect()
}

#[tokio::test]
async fn the_list_is_empty_and_never_null() {
    let folder = TestFolder::new("none");
    let off = RecordConfig { enabled: false, folder: folder.path.clone(), ..RecordConfig::default() };
    let off = Library::open(&off, None).unwrap();
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

const PATH: &str = "/api/records/a_av_1.mp4";

fn guarded(library: Library) -> Fixture {
    let auth = AuthConfig {
        token: Some(Secret::new(TOKEN)),
        admin_token: Some(Secret::new(ADMIN.1)),
        ..AuthConfig::default()
    };
    Fixture::with_library(&auth, library)
}

#[tokio::test]
async fn an_administrator_changes_marks_and_deletes() {
    let folder = TestFolder::new("change");
    folder.file("a_av_1.mp4", b"video", Duration::ZERO);
    folder.file("b_av_2.mp4.part", b"video", Duration::ZERO);
    let fixture = guarded(library(&folder));
    let ask = async |method: &str, path: &str, body: &str| {
        let answer = fixture.ask(method, path, &[ADMIN, JSON], body.to_owned()).await;
        let end = path.strip_prefix("/api/records/").unwrap().split_once('/').map_or("", |(_, end)| end);
        let route = format!("/api/records/{{name}}{}{end}", if end.is_empty() { "" } else { "/" });
        check(&route, method, &answer);
        answer
    };
    let changed =
        ask("PATCH", PATH, r#"{"title": " Opening night ", "tags": ["a", "b ", "a", ""], "keep": true}"#).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let json = changed.json();
    assert_eq!(
        (&json["title"], &json["tags"], &json["keep"]),
        (&json!("Opening night"), &json!(["a", "b"]), &json!(true))
    );
    let marks = format!("{PATH}/markers");
    for (at, text) in [(20, "second"), (10, "first")] {
        let body = json!({"at": at, "text": text}).to_string();
        assert_eq!(ask("POST", &marks, &body).await.status, 200);
    }
    // What is not said stays.
    let json = ask("PATCH", PATH, r#"{"tags": []}"#).await.json();
    assert_eq!((&json["title"], &json["tags"], &json["keep"]), (&json!("Opening night"), &json!([]), &json!(true)));
    assert_eq!(json["markers"], json!([{"at": 10, "text": "first"}, {"at": 20, "text": "second"}]));
    let list = fixture.ask("GET", "/api/records?text=opening%20second", &[("x-auth-token", TOKEN)], "").await;
    assert_eq!((list.header("x-total-count"), &list.json()[0]["title"]), ("1", &json!("Opening night")));

    let long = json!({"title": "x".repeat(201)}).to_string();
    let many = json!({"tags": vec!["x"; 21]}).to_string();
    for (method, path, body, status) in [
        ("PATCH", PATH, "", 400),
        ("PATCH", PATH, "[]", 400),
        ("PATCH", PATH, r#"{"titel": "x"}"#, 400),
        ("PATCH", PATH, r#"{"title": "a\nb"}"#, 400),
        ("PATCH", PATH, &long, 400),
        ("PATCH", PATH, &many, 400),
        ("PATCH", "/api/records/a_av_2.mp4", "{}", 404),
        ("PATCH", "/api/records/notes.txt", "{}", 404),
        ("POST", &marks, r#"{"at": -1, "text": "x"}"#, 400),
        ("POST", &marks, r#"{"at": 1}"#, 400),
        ("DELETE", "/api/records/a_av_2.mp4", "", 404),
        ("DELETE", "/api/records/b_av_2.mp4", "", 409),
        ("DELETE", PATH, "", 200),
        ("DELETE", PATH, "", 404),
    ] {
        assert_eq!(ask(method, path, body).await.status, status, "{method} {path} {body}");
    }
    assert!(!folder.path.join("a_av_1.mp4").exists() && folder.path.join("b_av_2.mp4.part").exists());
}

/// This one does not upload; who does is tried with it.
#[tokio::test]
async fn an_upload_is_asked_for() {
    let folder = TestFolder::new("asked");
    folder.file("a_av_1.mp4", b"video", Duration::ZERO);
    let fixture = guarded(library(&folder));
    for (path, headers, status) in [
        ("/api/records/a_av_1.mp4/upload", vec![ADMIN], 409),
        ("/api/records/a_av_2.mp4/upload", vec![ADMIN], 404),
        ("/api/records/a_av_1.mp4/upload", vec![("x-auth-token", TOKEN)], 401),
    ] {
        let answer = fixture.ask("POST", path, &headers, "").await;
        check("/api/records/{name}/upload", "POST", &answer);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_list_is_searched_and_comes_in_pages() {
    let folder = TestFolder::new("pages");
    for number in 1..=5 {
        folder.file(&format!("a_av_{number}.mp4"), b"x", Duration::from_secs(100 - number));
    }
    folder.file("b_av_6.mp4.part", b"x", Duration::ZERO);
    let fixture = guarded(library(&folder));
    for (query, status, count, total) in [
        ("", 200, 5, "5"),
        ("?room=a", 200, 5, "5"),
        ("?room=b", 200, 0, "0"),
        ("?state=recording", 200, 1, "1"),
        ("?page=1&per_page=2", 200, 2, "5"),
        ("?page=3&per_page=2", 200, 1, "5"),
        ("?page=4&per_page=2", 200, 0, "5"),
        ("?per_page=9999999", 200, 5, "5"),
        ("?from=1970-01-01&to=1970-01-01", 200, 5, "5"),
        ("?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:04Z", 200, 2, "2"),
        ("?text=av_3", 200, 1, "1"),
        ("?room=&from=&text=&page=", 200, 5, "5"),
        ("?room=a%2Fb", 400, 0, ""),
        ("?from=tomorrow", 400, 0, ""),
        ("?state=lost", 400, 0, ""),
        ("?page=0", 400, 0, ""),
        ("?per_page=-1", 400, 0, ""),
    ] {
        let answer = fixture.ask("GET", &format!("/api/records{query}"), &[ADMIN], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-total-count")), (status, total), "{query}");
        check("/api/records", "GET", &answer);
        assert_eq!(answer.json().as_array().map_or(0, Vec::len), count, "{query}");
    }
    let text = format!("/api/records?text={}", "x".repeat(201));
    assert_eq!(fixture.ask("GET", &text, &[ADMIN], "").await.status, 400);
    // The gate first: what is wrong with a question is not said to everybody.
    assert_eq!(fixture.ask("GET", "/api/records?page=0", &[], "").await.status, 401);
}

#[tokio::test]
async fn a_link_opens_one_recording_for_a_while() {
    let folder = TestFolder::new("links");
    folder.file("a_av_1.mp4", b"video", Duration::ZERO);
    folder.file("a_av_2.mp4", b"other", Duration::ZERO);
    let fixture = guarded(library(&folder));
    let link = async |token: &str, body: &str| {
        let headers = [("x-auth-token", token), JSON];
        let answer = fixture.ask("POST", &format!("{PATH}/link"), &headers, body.to_owned()).await;
        check("/api/records/{name}/link", "POST", &answer);
        answer
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for (token, body, status, seconds) in [
        (ADMIN.1, r#"{"seconds": 2592000}"#, 200, 2_592_000),
        (ADMIN.1, "{}", 200, 3600),
        (TOKEN, r#"{"seconds": 2592000}"#, 200, 6 * 3600),
        (TOKEN, r#"{"seconds": 60}"#, 200, 60),
        (TOKEN, r#"{"seconds": 0}"#, 400, 0),
        (TOKEN, r#"{"seconds": 2592001}"#, 400, 0),
        ("wrong", "{}", 401, 0),
    ] {
        let answer = link(token, body).await;
        assert_eq!(answer.status, status, "{token} {body}");
        if status == 200 {
            let url = answer.json()["url"].as_str().unwrap().to_owned();
            let until: u64 = url.split(['=', '&']).nth(1).unwrap().parse().unwrap();
            assert!((now + seconds..now + seconds + 60).contains(&until), "{url}");
            assert_eq!(fixture.ask("GET", &url, &[], "").await.body, "video");
            let part = fixture.ask("GET", &format!("{url}&download=1"), &[("range", "bytes=1-2")], "").await;
            assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "id"));
            for broken in [
                url.replace("a_av_1", "a_av_2"),
                url.replace(&until.to_string(), &(until + 1).to_string()),
                url.split_once("&signature").unwrap().0.to_owned(),
                url.replace("signature=", "signature=A"),
                "/records/a_av_1.mp4?expires=1&signature=".to_owned(),
            ] {
                assert_eq!(fixture.ask("GET", &broken, &[], "").await.status, 401, "{broken}");
            }
        }
    }
    let headers = [ADMIN, JSON];
    assert_eq!(fixture.ask("POST", "/api/records/a_av_3.mp4/link", &headers, "{}").await.status, 404);
}

#[tokio::test]
async fn what_the_rules_would_delete_is_shown() {
    let folder = TestFolder::new("retention");
    for number in 1..=4 {
        folder.file(&format!("a_av_{number}.mp4"), &bytes(10), Duration::from_secs(100 - number));
    }
    let retention = Rules { per_room: Some(3), total: Some(25), ..Rules::default() };
    let path = folder.path.clone();
    let config = RecordConfig { enabled: true, folder: path, retention, ..RecordConfig::default() };
    let fixture = guarded(Library::open(&config, None).unwrap());
    let answer = fixture.admin("GET", "retention", "").await;
    check("/api/admin/retention", "GET", &answer);
    let expected = json!({
        "rules": {"ageSeconds": null, "totalBytes": 25, "perRoom": 3, "uploadedOnly": false},
        "recordings": 4, "bytes": 40, "deletions": 2, "deletedBytes": 20,
        "list": [
            {"name": "a_av_1.mp4", "size": 10, "reason": "number"},
            {"name": "a_av_2.mp4", "size": 10, "reason": "size"},
        ],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(std::fs::read_dir(&folder.path).unwrap().count(), 5, "nothing is deleted by asking");
}
