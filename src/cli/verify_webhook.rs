//! `rillcast verify-webhook`: whether a webhook's delivery is to be believed.

use std::io::Read as _;

use crate::cli::Failure;
use crate::limits;
use crate::notify::{now, sign};
use crate::secret::Secret;

/// Check the signature of a webhook's delivery
///
/// Reads the body from standard input, byte for byte as it came, and compares it with the headers. Exit code 0 when it
/// is to be believed, 1 when not. The signature is that of Standard Webhooks: HMAC-SHA256 over id.timestamp.body.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The header webhook-id
    #[arg(long, value_name = "TEXT")]
    id: String,

    /// The header webhook-timestamp
    #[arg(long, value_name = "SECONDS")]
    timestamp: String,

    /// The header webhook-signature
    #[arg(long, value_name = "TEXT")]
    signature: String,

    /// The webhook's secret, as the server's configuration has it
    #[arg(long, value_name = "TEXT", env = "RILLCAST_WEBHOOK_SECRET", hide_env_values = true)]
    secret: String,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut body = Vec::new();
    let most = limits::BODY_BYTES as u64;
    std::io::stdin().take(most + 1).read_to_end(&mut body).map_err(Failure::failed)?;
    if body.len() as u64 > most {
        return Err(Failure::Failed(format!("the body has more than {most} bytes")));
    }
    check(args, &body).map_err(Failure::failed)?;
    println!("ok");
    Ok(())
}

fn check(args: &Args, body: &[u8]) -> Result<(), sign::Distrust> {
    let headers = (args.id.as_str(), args.timestamp.as_str(), args.signature.as_str());
    sign::verify(&Secret::new(args.secret.as_str()), now(), headers, body)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn believes_what_the_server_signs() {
        let seconds = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let signature = sign::sign(&Secret::new("secret"), "a-1", seconds, b"{}");
        let args = Args { id: "a-1".into(), timestamp: seconds.to_string(), signature, secret: "secret".into() };
        assert_eq!(check(&args, b"{}"), Ok(()));
        assert_eq!(check(&args, b"{ }"), Err(sign::Distrust::Signature));
    }
}
