//! Why a recording cannot be written, under the names that events and metrics have.

use std::io::{self, ErrorKind};

use crate::media::MuxError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk, or its folder.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What the publisher sends has no place in the file.
    #[error(transparent)]
    Media(#[from] MuxError),
    /// The disk has less free space than is to stay free.
    #[error("the disk has less free space than is to stay free")]
    Reserve,
    /// As many recordings run as may.
    #[error("as many recordings run as may")]
    Limit,
    /// No thread could be had.
    #[error("no thread can be had")]
    Thread,
}

/// The same, as a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Failure {
    /// There is no space.
    DiskFull,
    /// The folder has gone.
    FolderGone,
    /// It may not be written.
    Permission,
    /// The disk failed otherwise.
    Disk,
    /// What the publisher sends has no place in the file.
    Media,
    /// As many recordings run as may.
    Limit,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::DiskFull, Self::FolderGone, Self::Permission, Self::Disk, Self::Media, Self::Limit];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::FolderGone => "folder_gone",
            Self::Permission => "permission",
            Self::Disk => "disk",
            Self::Media => "media",
            Self::Limit => "limit",
        }
    }
}

impl WriteError {
    /// What it is called.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Reserve => Failure::DiskFull,
            Self::Media(_) => Failure::Media,
            Self::Limit | Self::Thread => Failure::Limit,
            Self::Io(error) => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::DiskFull,
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::StaleNetworkFileHandle => {
                    Failure::FolderGone
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Failure::Permission,
                _ => Failure::Disk,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_has_a_name() {
        for (number, failure) in [
            (libc::ENOSPC, Failure::DiskFull),
            (libc::EDQUOT, Failure::DiskFull),
            (libc::ENOENT, Failure::FolderGone),
            (libc::ENOTDIR, Failure::FolderGone),
            (libc::ESTALE, Failure::FolderGone),
            (libc::EACCES, Failure::Permission),
            (libc::EROFS, Failure::Permission),
            (libc::EIO, Failure::Disk),
        ] {
            assert_eq!(WriteError::from(io::Error::from_raw_os_error(number)).failure(), failure, "{number}");
        }
    }
}
