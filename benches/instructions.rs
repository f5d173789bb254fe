//! How many instructions the hot paths take, counted by callgrind: the same on a busy machine as on an idle one, so
//! that a change of a few per cent is seen. `benches/instructions.txt` holds what they took when they were last
//! accepted; more than [`TOLERANCE`] away from it, up or down, fails. `make baseline` accepts what they take now.
//!
//! The program runs itself in valgrind, once for each path, and reads what callgrind wrote. Valgrind's processor is its
//! own: it has AES and AVX2, and neither VAES nor AVX-512, so sealing takes more instructions there than outside.

#[path = "instructions/baseline.rs"]
mod baseline;
mod common;
#[path = "instructions/paths.rs"]
mod paths;

use std::process::{Command, ExitCode};
use std::{env, fs};

use baseline::Baseline;
use common::{Effort, Table};
use paths::PATHS;

/// What a path may take more or less than before, per cent.
const TOLERANCE: f64 = 3.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let path = PATHS.iter().find(|path| path.name == arguments[at + 1]).expect("a path's name follows");
        (path.run)();
        return ExitCode::SUCCESS;
    }
    if Effort::from_arguments() == Effort::Smoke {
        for path in &PATHS {
            assert_eq!((path.run)(), path.count, "{}", path.name);
        }
        return ExitCode::SUCCESS;
    }
    let found =
        Baseline { made_with: made_with(), counts: PATHS.iter().map(|path| (path.name, count(path))).collect() };
    if arguments.iter().any(|argument| argument == "--accept") {
        found.write();
    }
    report(&found)
}

/// Instructions of one thing that a path does, as callgrind counts them.
fn count(path: &paths::Path) -> f64 {
    let out = format!("{}/callgrind.{}", env!("CARGO_TARGET_TMPDIR"), path.name);
    let this = env::current_exe().expect("the system knows our name");
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--toggle-collect=*instructions*counted*"])
        .arg(format!("--callgrind-out-file={out}"))
        .arg(this)
        .args(["--count", path.name])
        .status()
        .expect("valgrind is installed: `make deps`");
    assert!(status.success(), "{}: {status}", path.name);
    let text = fs::read_to_string(&out).expect("callgrind has written its file");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: f64 = total.and_then(|total| total.trim().parse().ok()).expect("callgrind writes the sum of all");
    assert!(total > 0.0, "the path was not found by its function's name");
    total / f64::from(path.count)
}

/// What else decides how many instructions there are.
fn made_with() -> String {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().expect("it is installed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    format!("{}, {}, {}", version("rustc"), version("valgrind"), env::consts::ARCH)
}

fn report(found: &Baseline) -> ExitCode {
    let accepted = Baseline::read();
    let mut table = Table::new(&["instructions", "accepted", "now", "% of it"]);
    let mut strays = Vec::new();
    for (name, now) in &found.counts {
        let before = accepted.get(name).unwrap_or(0.0);
        let path = PATHS.iter().find(|path| path.name == *name).expect("it was counted");
        table.row(format!("{name}: {}", path.what), &[before, *now, 100.0 * now / before]);
        if (now / before - 1.0).abs() * 100.0 > TOLERANCE || before == 0.0 {
            strays.push(*name);
        }
    }
    table.print("Instructions, counted by callgrind:");
    println!();
    if accepted.made_with != found.made_with {
        println!("Not compared: accepted with {}; this is {}.", accepted.made_with, found.made_with);
        return ExitCode::SUCCESS;
    }
    if strays.is_empty() {
        println!("All within {TOLERANCE} % of what was accepted.");
        return ExitCode::SUCCESS;
    }
    println!("More than {TOLERANCE} % away from what was accepted: {}.", strays.join(", "));
    println!("If that is as it should be, say why in the commit, and run `make baseline`.");
    ExitCode::FAILURE
}
