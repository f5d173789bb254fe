//! Which build this is: for people, answers and metrics.

use std::sync::LazyLock;

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where the build was told (`RILLCAST_COMMIT`), else `unknown`.
pub const COMMIT: &str = match option_env!("RILLCAST_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

/// `release`, or `debug` for a build with its assertions in.
pub const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Version, commit, profile and platform, in one line.
pub static LONG: LazyLock<String> = LazyLock::new(|| {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{VERSION} (commit {COMMIT}, {PROFILE}, {architecture}-{os})")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_all_of_it() {
        for part in [VERSION, COMMIT, PROFILE, std::env::consts::ARCH] {
            assert!(!part.is_empty() && LONG.contains(part), "{part}");
        }
    }
}
