//! SIGHUP: the configuration is read again, and nobody who watches notices.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::light::request;
use crate::load::{count, report};
use crate::server::Server;

/// A server with a file, and its log.
struct Reloading {
    server: Server,
    folder: PathBuf,
}

impl Reloading {
    fn start(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rillcast-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("r.toml");
        fs::write(&path, text).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let variables = [("CONFIG_FILE", path.to_str().unwrap()), ("LOG", "info")];
        Self { server: Server::logging(log.into(), &variables), folder }
    }

    /// Writes the file and has it read; returns when the server has said what came of it.
    fn reload(&self, text: &str) -> String {
        fs::write(self.folder.join("r.toml"), text).unwrap();
        let before = self.log().len();
        self.server.signal("HUP");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let said = self.log().split_off(before);
            if said.contains("was reloaded") || said.contains("was not reloaded") {
                return said;
            }
            assert!(Instant::now() < deadline, "the server says what came of it: {said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The status of a list of rooms with this token.
fn status(server: &Server, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    request("GET", &format!("{}/api/rooms", server.base), &[("Authorization", &authorization)], "").status
}

#[test]
fn a_hundred_times_under_load_costs_nobody_a_packet() {
    let file = |number: usize| format!("[auth]\ntoken = \"secret-{number}\"\n[log]\nfilter = \"info\"\n");
    let reloading = Reloading::start("reload", "");
    std::thread::scope(|scope| {
        let load = scope.spawn(|| report(&reloading.server, "--subs 50 --duration 12s"));
        // Its sessions come first: without a token, which the server asks for from then on.
        reloading.server.wait_rooms("all are there", Duration::from_secs(30), |rooms| rooms[0]["subscribers"] == 50);
        for number in 0..100 {
            if number % 5 == 4 {
                let said = reloading.reload("[auth]\ntokn = \"x\"");
                assert!(said.contains("r.toml:2: there is no auth.tokn; did you mean auth.token?"), "{said}");
                // Nothing has changed.
                assert_eq!(status(&reloading.server, &format!("secret-{}", number - 1)), 200);
            } else {
                let said = reloading.reload(&file(number));
                assert!(said.contains("was reloaded"), "{said}");
                assert_eq!(status(&reloading.server, &format!("secret-{number}")), 200);
                assert_eq!(status(&reloading.server, "secret-x"), 401);
            }
        }
        assert!(!load.is_finished(), "all of it was under load");
        let report = load.join().unwrap();
        assert_eq!((count(&report, "/joins/playing"), count(&report, "/delivery/lost")), (50, 0));
    });
    assert!(!reloading.log().contains("secret-"), "no token in the log");
}

#[test]
fn what_needs_a_restart_is_named() {
    let reloading = Reloading::start("restart", "[media]\nbatch_window_ms = 2\n");
    let said = reloading.reload("[media]\nbatch_window_ms = 3\ntrains = false\n[session]\ntakeover = true\n");
    assert!(said.contains("media.batch_window_ms media.trains") && said.contains("until a restart"), "{said}");
    assert!(!said.contains("session.takeover"), "{said}");
    let said = reloading.reload("[media]\nbatch_window_ms = 2\n");
    assert!(!said.contains("until a restart"), "{said}");
    let said = reloading.reload("[media");
    assert!(said.contains("r.toml:1: "), "{said}");
}
