//! How many files and sockets the process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http::HttpConfig;
use crate::limits;

/// Raises the soft limit to the hard one. What to tell the operator where even that is too low.
pub(super) fn raise(config: &HttpConfig) -> Option<String> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let granted = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    warning(granted, needed(config))
}

fn needed(config: &HttpConfig) -> u64 {
    config.connections.all as u64 + limits::OTHER_DESCRIPTORS
}

fn warning(granted: u64, needed: u64) -> Option<String> {
    (granted < needed).then(|| {
        format!(
            "the process may open {granted} files and sockets, but as many HTTP connections as it may have need \
             {needed}: raise the limit (LimitNOFILE in a systemd unit, ulimit -n in a shell)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_told() {
        assert_eq!(warning(20_000, 9_216), None);
        assert!(warning(1_024, 9_216).unwrap().contains("may open 1024"));
        assert!(needed(&HttpConfig::default()) > limits::HTTP_CONNECTIONS as u64);
    }
}
