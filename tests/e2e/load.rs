//! The load generator against a server of its own kind: what it reports is what happened.

use std::process::{Command, Output};

use crate::server::Server;

fn run(url: &str, flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.args(["load", url]).args(flags.split_whitespace());
    command.output().unwrap()
}

pub fn report(server: &Server, flags: &str) -> serde_json::Value {
    let output =
        run(&server.base, &format!("--json - --settle 500ms --ramp 500ms --server-pid {} {flags}", server.pid()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{flags}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn count(report: &serde_json::Value, path: &str) -> u64 {
    let value = report.pointer(path).unwrap_or_else(|| panic!("{path} in {report}"));
    value.as_u64().unwrap_or_else(|| panic!("{path}: {value}"))
}

#[test]
fn a_quiet_run_loses_nothing_and_leaves_nothing() {
    let server = Server::start();
    let report = report(&server, "--subs 5 --duration 2s --audio");
    assert_eq!((count(&report, "/joins/playing"), count(&report, "/joins/asked")), (5, 5));
    for nothing in ["/delivery/lost", "/delivery/counts/corrupt", "/delivery/counts/misrouted", "/joins/ended"] {
        assert_eq!(count(&report, nothing), 0, "{nothing}");
    }
    assert_eq!(count(&report, "/delivery/counts/unauthentic") + count(&report, "/delivery/counts/duplicates"), 0);
    // Audio and video: 50 packets and at least 200 each second for each of the five.
    assert!(count(&report, "/window/packets") > 5 * 2 * 250, "{}", report["window"]);
    assert!(count(&report, "/delivery/counts/opened") > 100 && count(&report, "/window/latency_ms/count") > 10);
    assert!(report["server"]["us_per_packet"].as_f64().unwrap() > 0.0);
    assert!(report["joins"]["key_frame_ms"]["max"].as_f64().unwrap() < 2_000.0, "{}", report["joins"]);
    assert!(report["seconds"].as_array().unwrap().len() >= 3);
    assert_eq!(report["errors"], serde_json::json!({}));
    assert_eq!(server.rooms(), serde_json::json!([]), "all sessions were ended");
}

#[test]
fn what_is_dropped_on_purpose_is_asked_for_and_sent_again() {
    let server = Server::start();
    let report = report(&server, "--subs 5 --duration 3s --loss 5%");
    let of = |name: &str| count(&report, &format!("/delivery/counts/{name}"));
    assert!(of("discarded") > 50, "{}", report["delivery"]);
    assert!(of("nacks") >= of("reordered") && of("reordered") > of("discarded") / 2, "{}", report["delivery"]);
    assert!(count(&report, "/delivery/lost") * 20 < of("discarded"), "{}", report["delivery"]);
    assert_eq!(of("corrupt") + of("misrouted"), 0);
}

#[test]
fn rooms_are_told_apart_and_a_full_subscriber_agrees() {
    let server = Server::with(&[("MEDIA_WORKERS", "2")]);
    let flags = "--rooms 2 --subs 6 --full 2 --threads 2 --codec vp8 --duration 2s --churn 2/s --feedback full";
    let report = report(&server, flags);
    assert_eq!(count(&report, "/delivery/counts/corrupt") + count(&report, "/delivery/counts/misrouted"), 0);
    assert!(count(&report, "/joins/playing") > 8, "some have joined later: {}", report["joins"]);
    assert_eq!((count(&report, "/full/playing"), count(&report, "/full/video/broken_frames")), (2, 0));
    assert!(count(&report, "/full/video/frames") > 2 * 2 * 25, "{}", report["full"]);
    assert_eq!(count(&report, "/delivery/lost"), 0);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let server = Server::start();
    for (url, flags, code, words) in [
        ("http://192.0.2.1", "", 2, "--i-own-this-server"),
        ("http://127.0.0.1:1", "--subs 1", 1, "0 of 1 publishers connected"),
        (&server.base, "--no-publish --settle 0 --ramp 0", 1, "404: no active publisher in room"),
    ] {
        let output = run(url, flags);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{url}: {said}");
        assert!(said.contains(words), "{url}: {said}");
    }
}

#[test]
fn the_page_holds_the_report() {
    let server = Server::start();
    let path = std::env::temp_dir().join(format!("rillcast-load-{}.html", std::process::id()));
    report(&server, &format!("--subs 2 --duration 1s --html {}", path.display()));
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let json = page.split("id=\"report\">").nth(1).unwrap().split("</script>").next().unwrap();
    let report: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(count(&report, "/plan/subscribers"), 2);
}
