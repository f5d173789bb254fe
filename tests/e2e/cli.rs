//! Commands that print and end.

use std::process::{Command, Stdio};

/// As in `rillcast check | head`.
#[test]
fn who_stops_reading_is_no_failure() {
    for arguments in [&["check"][..], &["check", "--example"], &["check", "--reference"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
        command.args(arguments).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Long before it prints.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
