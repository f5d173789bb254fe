//! Why a recording was not uploaded. The texts stand in the log and for the administrator, so nothing of what a store
//! answers is in them but its status: it likes to repeat keys.

use std::io;

use object_store::Error;

use crate::record::RecordError;

#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the store refuses: are the keys right, and may they write? ({0})")]
    Denied(String),
    #[error("the store has no such bucket, or has forgotten the upload ({0})")]
    Missing(String),
    #[error("the store does not take it: {0}")]
    Store(String),
    #[error("the folder that it goes to: {0}")]
    Folder(io::Error),
    #[error("what is there is not what was sent")]
    Differs,
    #[error("the file was changed meanwhile")]
    Changed,
    #[error("the file: {0}")]
    File(#[from] io::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl UploadError {
    pub const REASONS: [&str; 5] = ["denied", "missing", "store", "differs", "file"];

    /// A word for events and metrics.
    pub fn reason(&self) -> &'static str {
        Self::REASONS[match self {
            Self::Denied(_) => 0,
            Self::Folder(error) if error.kind() == io::ErrorKind::PermissionDenied => 0,
            Self::Missing(_) => 1,
            Self::Folder(error) if error.kind() == io::ErrorKind::NotFound => 1,
            Self::Store(_) | Self::Folder(_) => 2,
            Self::Differs => 3,
            Self::Changed | Self::File(_) | Self::Record(_) => 4,
        }]
    }
}

impl From<Error> for UploadError {
    fn from(error: Error) -> Self {
        match error {
            Error::PermissionDenied { .. } => Self::Denied("403".into()),
            Error::Unauthenticated { .. } => Self::Denied("401".into()),
            Error::NotFound { .. } => Self::Missing("404".into()),
            error => Self::Store(summary(&error.to_string())),
        }
    }
}

/// Of `… - Server returned non-2xx status code: 503 Service Unavailable: <body>` the status, of other texts what went
/// wrong, without the request.
fn summary(text: &str) -> String {
    const STATUS: &str = "status code: ";
    if let Some((_, rest)) = text.split_once(STATUS) {
        return rest.split([':', '\n']).next().unwrap_or_default().trim().to_owned();
    }
    if text.contains("<Error>") || text.contains("error response in body") {
        return "an error in place of an answer".to_owned();
    }
    let what = text.rsplit(" - ").next().unwrap_or_default();
    what.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_answer_is_told_but_its_status() {
        for (text, expected) in [
            (
                "Generic S3 error: Error performing PUT http://a/b in 2ms, after 1 retries - Server returned non-2xx \
                 status code: 503 Service Unavailable: <Error><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>",
                "503 Service Unavailable",
            ),
            (
                "Error performing GET http://a/b in 2ms - HTTP error: connection refused",
                "HTTP error: connection refused",
            ),
            ("in body: <Error>AKIA</Error>", "an error in place of an answer"),
        ] {
            assert_eq!(summary(text), expected);
        }
    }
}
