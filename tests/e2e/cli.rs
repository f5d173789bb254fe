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

/// Runs `rillcast check` with these variables: its exit code, what it prints, what it complains of.
fn check(variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    let output = command.arg("check").env_clear().envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_says_what_it_read_and_what_is_open() {
    let (code, said, _) = check(&[]);
    assert!(code == 0 && said.starts_with("# No file was read"), "{said}");
    assert!(said.contains("Mind that everybody who reaches the server may publish"), "{said}");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");
    let (code, said, _) = check(&[("CONFIG_FILE", example), ("AUTH_TOKEN", "secret")]);
    assert_eq!(code, 0);
    assert!(said.starts_with(&format!("# {example} was read.\n")) && !said.contains("Mind that"), "{said}");
    assert!(said.ends_with("The configuration is sound.\n"), "{said}");
}

#[test]
fn check_opens_the_certificate() {
    let missing = [("TLS_CERT_FILE", "/nonexistent/cert.pem"), ("TLS_KEY_FILE", "/nonexistent/key.pem")];
    let (code, said, complaint) = check(&missing);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(complaint.contains("HTTPS: /nonexistent/cert.pem: "), "{complaint}");
}
