//! `[upload]`: where recordings go.

#[cfg(feature = "upload")]
use std::path::PathBuf;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::switch;
use crate::config::source::{Source, Values as _};
#[cfg(feature = "upload")]
use crate::record::RecordConfig;
#[cfg(feature = "upload")]
use crate::record::upload::{BucketConfig, TargetConfig, UploadConfig};

const ENABLED: Key = Key::new(
    "upload.enabled",
    "UPLOAD_RECORDINGS",
    "false",
    "true: recordings go to a bucket (S3) or another folder when they are whole; what is there already too",
)
.switch()
.expects("true or false; true with RECORD_ENABLED, in a build with the feature upload")
.restart();
const DELETE_AFTER: Key = Key::new(
    "upload.delete_after",
    "DELETE_RECORDING_AFTER_UPLOAD",
    "false",
    "true: what was uploaded, and read back and compared, is deleted here, unless it is marked to be kept",
)
.switch()
.restart();
const FOLDER: Key = Key::new(
    "upload.folder",
    "UPLOAD_FOLDER",
    "",
    "another folder as target instead of a bucket: a second disk, or a share of another machine; it must be there",
)
.expects("a path other than RECORD_DIR, and no S3_BUCKET beside it")
.sample("/mnt/archive")
.restart();
const ENDPOINT: Key = Key::new(
    "upload.endpoint",
    "S3_ENDPOINT",
    "",
    "the store: host or host:port, or a URL; empty: Amazon's of the region",
)
.expects("host, host:port, or an http or https URL without user and path, that agrees with S3_USE_SSL")
.sample("s3.example.org")
.restart();
const REGION: Key =
    Key::new("upload.region", "S3_REGION", "us-east-1", "its region; many stores have but one name for it")
        .expects("letters, digits and -")
        .restart();
const BUCKET: Key = Key::new("upload.bucket", "S3_BUCKET", "", "the bucket; it must be there")
    .expects("a bucket's name, because UPLOAD_RECORDINGS is set")
    .sample("recordings")
    .restart();
const ACCESS_KEY: Key = Key::new("upload.access_key", "S3_ACCESS_KEY", "", "who the server is there")
    .expects("a key, because UPLOAD_RECORDINGS is set")
    .sample("rillcast")
    .secret()
    .restart();
const SECRET_KEY: Key = Key::new("upload.secret_key", "S3_SECRET_KEY", "", "and the secret that proves it")
    .expects("a key, because UPLOAD_RECORDINGS is set")
    .sample("a long random text")
    .secret()
    .restart();
const USE_SSL: Key =
    Key::new("upload.use_ssl", "S3_USE_SSL", "true", "false: without TLS; only in a network of your own")
        .switch()
        .restart();
const ROOT: Key = Key::new(
    "upload.root_file",
    "S3_ROOT_FILE",
    "",
    "file with the certificates that are trusted for the store (PEM); empty: those that browsers trust",
)
.expects("a path")
.sample("/etc/rillcast/root.pem")
.restart();
const PATH_STYLE: Key = Key::new(
    "upload.path_style",
    "S3_PATH_STYLE",
    "false",
    "true: the bucket is in the path, and not in the host's name; most stores of one's own want that",
)
.switch()
.restart();
const PREFIX: Key = Key::new(
    "upload.prefix",
    "S3_PREFIX",
    "",
    "what comes before the names in the bucket; one of its own for each server that shares it",
)
.expects("letters, digits, - _ . and / between them")
.sample("live/one")
.restart();

const PRESIGNED: Key = Key::new(
    "upload.presigned_download",
    "S3_PRESIGNED_DOWNLOAD",
    "false",
    "true: who asks for a recording that is in the bucket is sent there, with a URL that holds for a while",
)
.switch()
.restart();
const PUBLIC_ENDPOINT: Key = Key::new(
    "upload.public_endpoint",
    "S3_PUBLIC_ENDPOINT",
    "",
    "the store as those reach it who are sent there; empty: as S3_ENDPOINT",
)
.expects("an http or https URL without user and path")
.sample("https://s3.example.org")
.restart();

/// `[upload]`
pub const UPLOAD: Section = Section {
    about: "Recordings go to a bucket or another folder: docs/recordings.md has more.",
    keys: &[
        &ENABLED,
        &DELETE_AFTER,
        &FOLDER,
        &ENDPOINT,
        &REGION,
        &BUCKET,
        &ACCESS_KEY,
        &SECRET_KEY,
        &USE_SSL,
        &ROOT,
        &PATH_STYLE,
        &PREFIX,
        &PRESIGNED,
        &PUBLIC_ENDPOINT,
    ],
};

/// Whether recordings are uploaded.
///
/// # Errors
/// Where what is said of that does not parse.
pub fn is_enabled(source: &Source<'_>) -> Result<bool, ConfigError> {
    source.value(&ENABLED, switch)
}

/// Reads the section. `None` where nothing is uploaded.
///
/// # Errors
/// The first value that does not parse, or lacks another.
#[cfg(feature = "upload")]
pub fn read(source: &Source<'_>, record: &RecordConfig) -> Result<Option<UploadConfig>, ConfigError> {
    let enabled = is_enabled(source)?;
    let delete_after = source.value(&DELETE_AFTER, switch)?;
    let folder = source.optional(&FOLDER, path)?;
    let bucket = bucket(source, enabled && folder.is_none())?;
    let both = folder.is_some() && source.optional(&BUCKET, |text| plain(text, "-."))?.is_some();
    if !enabled {
        return Ok(None);
    }
    if !record.enabled {
        return Err(source.misfit(&ENABLED, ENABLED.expected));
    }
    let target = match (folder, bucket) {
        (Some(folder), None) if folder != record.folder && !both => TargetConfig::Folder(folder),
        (None, Some(bucket)) => TargetConfig::Bucket(Box::new(bucket)),
        _ => return Err(source.misfit(&FOLDER, FOLDER.expected)),
    };
    Ok(Some(UploadConfig { target, delete_after }))
}

/// The bucket, where recordings go to one.
#[cfg(feature = "upload")]
fn bucket(source: &Source<'_>, wanted: bool) -> Result<Option<BucketConfig>, ConfigError> {
    let region = source.value(&REGION, |text| plain(text, "-"))?;
    let endpoint = source.optional(&ENDPOINT, endpoint)?;
    let bucket = source.optional(&BUCKET, |text| plain(text, "-."))?;
    let (access_key, secret_key) = (source.secret(&ACCESS_KEY)?, source.secret(&SECRET_KEY)?);
    let use_ssl = source.optional(&USE_SSL, switch)?;
    let root = source.optional(&ROOT, path)?;
    let path_style = source.value(&PATH_STYLE, switch)?;
    let prefix = source.optional(&PREFIX, prefix)?.unwrap_or_default();
    let presigned = source.value(&PRESIGNED, switch)?;
    let public = source.optional(&PUBLIC_ENDPOINT, public_endpoint)?;
    if !wanted {
        return Ok(None);
    }
    let endpoint = match (endpoint, use_ssl) {
        (None, None | Some(true)) => format!("https://s3.{region}.amazonaws.com"),
        (Some((None, host)), None | Some(true)) => format!("https://{host}"),
        (Some((None, host)), Some(false)) => format!("http://{host}"),
        (Some((Some(ssl), host)), said) if said.is_none_or(|said| said == ssl) => {
            format!("{}://{host}", if ssl { "https" } else { "http" })
        }
        _ => return Err(source.misfit(&ENDPOINT, ENDPOINT.expected)),
    };
    let Some(bucket) = bucket else { return Err(source.misfit(&BUCKET, BUCKET.expected)) };
    let Some(access_key) = access_key else { return Err(source.misfit(&ACCESS_KEY, ACCESS_KEY.expected)) };
    let Some(secret_key) = secret_key else { return Err(source.misfit(&SECRET_KEY, SECRET_KEY.expected)) };
    let presigned = presigned.then(|| public.unwrap_or_else(|| endpoint.clone()));
    let config = BucketConfig { endpoint, root, region, bucket, access_key, secret_key, path_style, prefix, presigned };
    Ok(Some(config))
}

/// In a build that cannot.
///
/// # Errors
/// Where it is asked for.
#[cfg(not(feature = "upload"))]
pub fn refuse(source: &Source<'_>) -> Result<(), ConfigError> {
    if is_enabled(source)? { Err(source.misfit(&ENABLED, ENABLED.expected)) } else { Ok(()) }
}

/// Whether it is with TLS, where that is said, and the host.
#[cfg(feature = "upload")]
fn endpoint(text: &str) -> Option<(Option<bool>, String)> {
    let (ssl, host) = match text.split_once("://") {
        Some(("https", host)) => (Some(true), host),
        Some(("http", host)) => (Some(false), host),
        Some(_) => return None,
        None => (None, text),
    };
    plain(host.strip_suffix('/').unwrap_or(host), "-.:[]").map(|host| (ssl, host))
}

/// As [`endpoint`], with its scheme.
#[cfg(feature = "upload")]
fn public_endpoint(text: &str) -> Option<String> {
    let (ssl, host) = endpoint(text)?;
    Some(format!("{}://{host}", if ssl? { "https" } else { "http" }))
}

#[cfg(feature = "upload")]
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

#[cfg(feature = "upload")]
fn prefix(text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    let good = |part: &str| part != "." && part != ".." && plain(part, "-_.").is_some();
    (text.is_empty() || text.split('/').all(good)).then(|| text.to_owned())
}

#[cfg(feature = "upload")]
fn plain(text: &str, others: &str) -> Option<String> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
}

#[cfg(feature = "upload")]
#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 4] =
        [("UPLOAD_RECORDINGS", "1"), ("S3_BUCKET", "b"), ("S3_ACCESS_KEY", "a"), ("S3_SECRET_KEY", "s")];

    fn of(variables: &[(&str, &str)], enabled: bool) -> Result<Option<UploadConfig>, String> {
        let find = |name: &str| variables.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        let record = RecordConfig { enabled, ..RecordConfig::default() };
        read(&Source::new(find), &record).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(of(&[("S3_BUCKET", "b")], false).unwrap().is_none());
        let error = of(&WHOLE, false).unwrap_err();
        assert!(error.contains("UPLOAD_RECORDINGS") && error.contains("RECORD_ENABLED"), "{error}");
        for missing in ["S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"] {
            let rest: Vec<_> = WHOLE.into_iter().filter(|(name, _)| *name != missing).collect();
            let error = of(&rest, true).unwrap_err();
            assert!(error.contains(missing), "{missing}: {error}");
        }
        for (name, value) in [
            ("S3_ENDPOINT", "ftp://a"),
            ("S3_ENDPOINT", "https://me:pass@a"),
            ("S3_ENDPOINT", "https://a/path"),
            ("S3_BUCKET", "a/b"),
            ("S3_PREFIX", "../x"),
            ("S3_PREFIX", "a//b"),
            ("S3_REGION", "a b"),
            ("S3_PUBLIC_ENDPOINT", "a:9000"),
            ("UPLOAD_FOLDER", "/elsewhere"),
        ] {
            let error = of(&[WHOLE.as_slice(), &[(name, value)]].concat(), true).unwrap_err();
            assert!(error.contains(name), "{name}={value}: {error}");
        }
    }

    #[test]
    fn endpoints() {
        for (endpoint, ssl, expected) in [
            ("", "", Some("https://s3.us-east-1.amazonaws.com")),
            ("", "0", None),
            ("a:9000", "", Some("https://a:9000")),
            ("a:9000", "0", Some("http://a:9000")),
            ("http://a/", "", Some("http://a")),
            ("http://a", "1", None),
            ("https://a", "0", None),
            ("https://[::1]:9", "1", Some("https://[::1]:9")),
        ] {
            let said = [("S3_ENDPOINT", endpoint), ("S3_USE_SSL", ssl)];
            let read = of(&[WHOLE.as_slice(), &said].concat(), true);
            let endpoint_of = |config: UploadConfig| match config.target {
                TargetConfig::Bucket(bucket) => bucket.endpoint,
                TargetConfig::Folder(path) => panic!("{}", path.display()),
            };
            assert_eq!(read.ok().flatten().map(endpoint_of).as_deref(), expected, "{endpoint} {ssl}");
        }
    }

    #[test]
    fn a_folder_is_a_target_too() {
        let of = |path| of(&[("UPLOAD_RECORDINGS", "1"), ("UPLOAD_FOLDER", path)], true);
        let read = of("/mnt/archive").unwrap().unwrap();
        assert!(matches!(read.target, TargetConfig::Folder(path) if path == std::path::Path::new("/mnt/archive")));
        let error = of("records").unwrap_err();
        assert!(error.contains("UPLOAD_FOLDER") && error.contains("RECORD_DIR"), "{error}");
    }
}
