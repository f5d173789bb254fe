//! `rillcast token`: makes signed tokens, and says what one is good for.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::auth::jwt::{self, sign::Signer};
use crate::auth::{Action, AuthConfig, Authenticator, Grant, Need, Presented, Refusal};
use crate::cli::{Failure, print, serve};
use crate::id::{ClientAddress, RoomName, RoomPattern};
use crate::limits;

/// Make a signed token (JWT), or explain one
///
/// Both look at the configuration that `rillcast serve` would have with the same flags and environment.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Command {
    Make(Box<MakeArgs>),
    Explain(Box<ExplainArgs>),
}

/// Print a new token
///
/// It is signed with the configuration's JWT_SECRET, or with a private key, and has the issuer and the audience that
/// the configuration asks for.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct MakeArgs {
    /// A room, or a pattern in which * stands for any characters; may be repeated [default: every room]
    #[arg(long, value_name = "ROOM")]
    room: Vec<String>,

    /// What it is for: publish or play; may be repeated [default: both]
    #[arg(long, value_name = "ACTION", value_parser = ["publish", "play"])]
    action: Vec<String>,

    /// The administrator's
    #[arg(long)]
    admin: bool,

    /// For whom: a publisher takes over from one with the same subject where takeover is set
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    /// How long it is good: 90s, 15m, 12h, 30d or never
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = lifetime)]
    expires: Lifetime,

    /// A file with the private key that signs it (PKCS #8, -----BEGIN PRIVATE KEY-----): RSA, P-256 or Ed25519
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The name of the key (kid), where the server knows it from a key set
    #[arg(long, value_name = "NAME")]
    key_id: Option<String>,

    #[command(flatten)]
    serve: serve::Args,
}

/// Say what a token grants, or why it is refused; the token is read from the standard input
///
/// Exit code 1 where it grants nothing. A key set is fetched, a webhook is not asked.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct ExplainArgs {
    /// In this room [default: in any]
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,

    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lifetime {
    Never,
    Seconds(u64),
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Never);
    }
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("90s, 15m, 12h, 30d or never".into()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| (1..=LONGEST).contains(seconds)).map(Lifetime::Seconds).ok_or("1s to 36500d".into())
}

/// A hundred years: more is a slip of the finger.
const LONGEST: u64 = 36_500 * 86_400;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Make(args) => {
            let (token, explained) = make(args, &args.serve.config()?.auth)?;
            eprint!("{explained}");
            print(format_args!("{token}\n"))
        }
        Command::Explain(args) => {
            let room = args.room.as_deref().map(|room| RoomName::parse(room).ok_or(NO_ROOM));
            let room = room.transpose().map_err(Failure::usage)?;
            let mut auth = args.serve.config()?.auth;
            auth.webhook_url = None;
            if std::io::stdin().is_terminal() {
                eprintln!("Enter the token, then Ctrl-D:");
            }
            let mut token = String::new();
            let most = u64::try_from(limits::TOKEN_BYTES).expect("8 kB") + 2;
            std::io::stdin().take(most).read_to_string(&mut token).map_err(Failure::failed)?;
            let (explained, good) = explain(token.trim(), &auth, room.as_ref())?;
            print(explained)?;
            if good { Ok(()) } else { Err(Failure::failed("the token grants nothing")) }
        }
    }
}

const NO_ROOM: &str = "a room has 1 to 64 of A-Z, a-z, 0-9, _ and -";

/// The token, and what it grants.
fn make(args: &MakeArgs, auth: &AuthConfig) -> Result<(String, String), Failure> {
    let signer = match (&args.key, &auth.jwt.secret) {
        (Some(path), _) => {
            let pem = std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            let expected = "a private key of RSA, P-256 or Ed25519 that begins with -----BEGIN PRIVATE KEY-----";
            Signer::from_pem(&pem).ok_or_else(|| Failure::usage(format!("{}: expected {expected}", path.display())))?
        }
        (None, Some(secret)) => Signer::Secret(secret.clone()),
        (None, None) => {
            return Err(Failure::usage("what shall sign it? Set JWT_SECRET, or name a private key by --key"));
        }
    };
    if args.room.iter().any(|room| RoomPattern::parse(room).is_none()) {
        return Err(Failure::usage(NO_ROOM));
    }
    let now = unix(SystemTime::now());
    let mut claims = Map::new();
    claims.insert("iat".into(), json!(now));
    if let Lifetime::Seconds(seconds) = args.expires {
        claims.insert("exp".into(), json!(now + seconds));
    }
    let texts = [("iss", &auth.jwt.issuer), ("aud", &auth.jwt.audience), ("sub", &args.subject)];
    claims.extend(texts.into_iter().filter_map(|(name, text)| Some((name.into(), json!(text.as_ref()?)))));
    match &args.room[..] {
        [] => {}
        [room] => drop(claims.insert("room".into(), json!(room))),
        rooms => drop(claims.insert("room".into(), json!(rooms))),
    }
    if !args.action.is_empty() {
        claims.insert("actions".into(), json!(args.action));
    }
    if args.admin {
        claims.insert("role".into(), json!("admin"));
    }
    let header = args.key_id.as_ref().map_or_else(|| json!({}), |kid| json!({ "kid": kid }));
    let token =
        signer.sign(&header, &Value::Object(claims)).ok_or_else(|| Failure::failed("it could not be signed"))?;
    let mut here = auth.clone();
    here.webhook_url = None;
    let (explained, _) = explain(&token, &here, None)?;
    Ok((token, explained))
}

/// What it says, what it grants, and whether that is anything.
fn explain(token: &str, auth: &AuthConfig, room: Option<&RoomName>) -> Result<(String, bool), Failure> {
    let mut text = String::new();
    if let Some((header, claims)) = jwt::read(token) {
        let _ = writeln!(text, "header   {header}\nclaims   {claims}");
        if let Some(exp) = claims["exp"].as_u64() {
            let _ = writeln!(text, "expires  {}", relative(exp, unix(SystemTime::now())));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let authenticator = Authenticator::new(auth);
    let presented = Presented::new(None, Some(token), ClientAddress::UNKNOWN);
    let mut good = false;
    for action in [Action::Publish, Action::Play, Action::Admin] {
        let verdict = runtime.block_on(authenticator.judge(&presented, Need { action, room }));
        good |= verdict.is_ok();
        let _ = writeln!(text, "{:<9}{}", action.name(), said(&verdict));
    }
    Ok((text, good))
}

fn said(verdict: &Result<Grant, Refusal>) -> String {
    match verdict {
        Ok(_) => "yes".to_owned(),
        Err(refusal) => format!("no ({refusal}):{}", refusal.meaning()),
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn relative(exp: u64, now: u64) -> String {
    let amount = |seconds: u64| match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    if exp > now { format!("in {}", amount(exp - now)) } else { format!("{} ago", amount(now - exp)) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::secret::Secret;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MakeArgs,
    }

    fn made(line: &str, auth: &AuthConfig) -> Result<(String, String), Failure> {
        make(&Line::try_parse_from(line.split(' ')).unwrap().args, auth)
    }

    fn auth() -> AuthConfig {
        let mut auth = AuthConfig::default();
        auth.jwt.secret = Some(Secret::new("secret"));
        auth.jwt.issuer = Some("us".into());
        auth.jwt.audience = Some("rillcast".into());
        auth
    }

    #[test]
    fn what_is_made_is_accepted_for_what_was_asked() {
        // Flags; publish, play, admin in the room `stage`.
        for (line, expected) in [
            ("x", [true, true, false]),
            ("x --room stage --action play --expires 15m", [false, true, false]),
            ("x --room a --room st* --subject me --expires never", [true, true, false]),
            ("x --room other", [false, false, false]),
            ("x --admin", [true, true, true]),
        ] {
            let (token, _) = made(line, &auth()).unwrap();
            let room = RoomName::parse("stage");
            let (text, good) = explain(&token, &auth(), room.as_ref()).unwrap();
            let lines = ["publish  yes", "play     yes", "admin    yes"].map(|line| text.contains(line));
            assert_eq!((lines, good), (expected, expected != [false; 3]), "{line}: {text}");
            assert!(text.contains("\"iss\":\"us\""), "{text}");
            assert_eq!(text.contains("expires"), !line.contains("never"), "{text}");
        }
    }

    #[test]
    fn by_private_keys() {
        for name in ["rsa", "p256", "ed25519"] {
            let file = |name: &str| format!("{}/tests/data/jwt/{name}.pem", env!("CARGO_MANIFEST_DIR"));
            let mut auth = auth();
            let (_, refused) = made(&format!("x --key {}", file(name)), &auth).unwrap();
            assert!(refused.contains("no (algorithm): No key is configured"), "{refused}");
            let public = std::fs::read(file(&format!("{name}.pub"))).unwrap();
            auth.jwt.public_keys = vec![jwt::Key::from_pem(&public).unwrap()];
            let (_, taken) = made(&format!("x --key {} --key-id k", file(name)), &auth).unwrap();
            assert!(taken.contains("publish  yes") && taken.contains("\"kid\":\"k\""), "{taken}");
            let failure = made(&format!("x --key {}", file(&format!("{name}.pub"))), &auth).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
        }
    }

    #[test]
    fn why_it_is_refused() {
        let (token, _) = made("x", &auth()).unwrap();
        let mut other = auth();
        other.jwt.secret = Some(Secret::new("other"));
        for (token, auth, why) in [
            (&token[..], other, "no (signature)"),
            ("junk", auth(), "no (wrong_token)"),
            ("", auth(), "no (missing)"),
            (&token, AuthConfig { token: Some(Secret::new("t")), ..AuthConfig::default() }, "no (no_admin)"),
        ] {
            let (text, good) = explain(token, &auth, None).unwrap();
            assert!(text.contains(why) && !good, "{text}");
        }
        assert!(made("x", &AuthConfig::default()).unwrap_err().message().contains("JWT_SECRET"));
        assert!(made("x --room a/b", &auth()).is_err());
    }

    #[test]
    fn times() {
        let table = [
            ("never", Some(Lifetime::Never)),
            ("90", Some(Lifetime::Seconds(90))),
            ("90s", Some(Lifetime::Seconds(90))),
            ("2m", Some(Lifetime::Seconds(120))),
            ("12h", Some(Lifetime::Seconds(43_200))),
            ("30d", Some(Lifetime::Seconds(2_592_000))),
            ("0s", None),
            ("36501d", None),
            ("18446744073709551615d", None),
            ("-1h", None),
            ("1w", None),
            ("h", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(lifetime(text).ok(), expected, "{text}");
        }
        for (exp, text) in [(100, "0 s ago"), (90, "10 s ago"), (7_300, "in 2 h"), (400_100, "in 4 days")] {
            assert_eq!(relative(exp, 100), text);
        }
    }
}
