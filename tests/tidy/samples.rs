//! The checks, checked: each one is shown what is bad and what is not.

use super::*;

/// What one check says of one sample.
fn findings_of(check: fn(&File, &mut Findings), path: &str, text: &str) -> usize {
    let mut findings = Findings::default();
    check(&File::new(path, text), &mut findings);
    findings.0.len()
}

#[test]
fn the_checks_see_what_is_bad_and_only_that() {
    type Check = fn(&File, &mut Findings);
    let long_line = "x".repeat(121);
    let long_file = "\n".repeat(601);
    let promise = format!("// {} later", concat!("TO", "DO"));
    let place = format!("see {}file", concat!("/ro", "ot/"));
    let lock = format!("{}: \"https://registry\"", concat!("\"res", "olved\""));
    let table: &[(Check, &str, &str, usize)] = &[
        (check_imports, "src/sfu/room.rs", "use crate::rtp::codec::Codec;\nuse crate::id::Mid;", 0),
        (check_imports, "src/sfu/room.rs", "use crate::sfu::drop::DropReason;", 0),
        (check_imports, "src/sfu/room.rs", "use crate::peer::Peer;", 1),
        (check_imports, "src/sfu/room.rs", "use crate::{rtp::{self, codec}, http::error, worker};", 2),
        (check_imports, "src/sfu/room.rs", "fn f() { crate::net::clock::now(); crate::session::create() }", 1),
        (
            check_imports,
            "src/sfu/room.rs",
            "/// See [`crate::http`].\n// crate::http\nconst S: &str = \"crate::http\";",
            0,
        ),
        (check_imports, "src/rtp/mod.rs", "use super::sfu::room;", 1),
        (check_imports, "src/rtp/vp8.rs", "use super::payload;\nuse super::super::sfu;", 1),
        (check_imports, "src/limits.rs", "use crate::id::Mid;", 1),
        (check_imports, "src/app.rs", "use crate::{http, session, worker, limits};", 0),
        (check_imports, "src/app.rs", "use crate::cli;", 1),
        (check_imports, "src/main.rs", "use rillcast::cli;", 0),
        (check_purity, "src/sfu/room.rs", "fn f(now: Instant) {}", 0),
        (check_purity, "src/sfu/room.rs", "let now = Instant::now();", 1),
        (check_purity, "src/peer/mod.rs", "use std::sync::{Arc, Mutex};\nuse std::thread;", 2),
        (check_purity, "src/sdp/mod.rs", "tracing::debug!(\"x\");", 1),
        (check_purity, "src/rtp/mod.rs", "#[cfg(test)]\nmod tests {\n fn f() { Instant::now(); }\n}", 0),
        (check_purity, "src/rtp/mod.rs", "#[cfg(test)]\nuse std::{fs, io};\nstatic M: Mutex<()>;", 1),
        (
            check_purity,
            "src/rtp/mod.rs",
            "#[cfg(test)]\nmod tests {\n const C: char = '}';\n}\nfn f() { Instant::now() }",
            1,
        ),
        (check_purity, "src/worker/mod.rs", "use std::thread;", 0),
        (check_clock, "src/worker/mod.rs", "let now = Instant::now();", 1),
        (check_clock, "src/net/udp.rs", "let now = std::time::SystemTime::now();", 1),
        (check_clock, CLOCK, "Instant::now()", 0),
        (check_clock, "src/cli/mod.rs", "Instant::now()", 0),
        (check_locks, "src/worker/sink.rs", "use std::sync::{Arc, Mutex};\nlet held = shared.lock();", 2),
        (check_locks, "src/worker/sink.rs", "#[cfg(test)]\nmod tests { fn f() { shared.lock(); } }", 0),
        (check_locks, "src/session/registry.rs", "use std::sync::Mutex;", 0),
        (check_unsafe, "src/net/udp.rs", "unsafe { f() }", 0),
        (check_unsafe, "src/sfu/room.rs", "unsafe { f() }", 1),
        (check_unsafe, "src/sfu/room.rs", "#![deny(unsafe_code)] // unsafe", 0),
        (check_unwrap, "src/sfu/room.rs", "x.unwrap()", 1),
        (check_unwrap, "src/sfu/room.rs", "x.unwrap_or(1); x.expect(\"it is there\");", 0),
        (check_unwrap, "src/sfu/room.rs", "#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }", 0),
        (check_length, "src/sfu/room.rs", &long_file, 1),
        (check_length, "docs/architecture.md", &long_file, 0),
        (check_length, "src/main.rs", &long_file[..101], 1),
        (check_length, "src/main.rs", &long_file[..100], 0),
        (check_columns, "src/sfu/room.rs", &long_line, 1),
        (check_columns, "src/sfu/room.rs", &long_line[1..], 0),
        (check_columns, "tests/browser/harness.mjs", &long_line, 0),
        (check_promises, "README.md", &promise, 1),
        (check_promises, "README.md", "METHODOLOGY", 0),
        (check_places, "README.md", &place, 1),
        (check_places, "tests/browser/package-lock.json", &lock, 1),
    ];
    for (check, path, text, expected) in table {
        assert_eq!(findings_of(*check, path, text), *expected, "{path}: {text}");
    }
}

#[test]
fn a_file_without_a_mod_line_is_found() {
    let sources = [
        File::new("src/lib.rs", "pub mod a;\n// mod ghost;\n#[cfg(test)]\nmod probe;"),
        File::new("src/main.rs", "fn main() {}"),
        File::new("src/a/mod.rs", "pub(crate) mod b; mod inline { }"),
        File::new("src/a/b.rs", "mod c;"),
        File::new("src/a/b/c.rs", ""),
        File::new("src/probe.rs", ""),
        File::new("src/ghost.rs", ""),
        File::new("src/inline.rs", ""),
    ];
    assert_eq!(unreferenced(&sources), ["src/ghost.rs", "src/inline.rs"]);
}

#[test]
fn files_behind_a_test_mod_line_are_marked() {
    let mut sources = [
        File::new("src/sfu/mod.rs", "pub mod room;\n#[cfg(test)]\nmod simulated;"),
        File::new("src/sfu/room.rs", ""),
        File::new("src/sfu/simulated.rs", "Instant::now()"),
    ];
    mark_tests(&mut sources);
    assert_eq!(sources.map(|file| file.only_for_tests), [false, false, true]);
}

#[test]
fn a_dependency_without_a_line_is_found() {
    let manifest = "[dependencies]\n# a = 1\nrtp = { package = \"rtc-rtp\" }\nslab = \"0.4\"\n[lints]\nx = 1";
    assert_eq!(dependencies(manifest), ["rtc-rtp", "slab"]);
    assert!(accounts_for("| `slab` | tables |", "slab"));
    assert!(!accounts_for("slab is fine\n| `slabs` | |", "slab"));
}

#[test]
fn promises_without_a_test_are_found() {
    let page = "| promise | tests |\n| --- | --- |\n| a | `b`, `c` |\n| d | `tests/tidy.rs` |\n| e | soon |\n";
    let (rows, missing) = super::promises(page, |name| name == "fn b(");
    assert_eq!((rows, missing), (3, vec!["c".to_owned(), "| e | soon |".to_owned()]));
}
