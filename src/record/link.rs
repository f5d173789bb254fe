//! Links to one recording that hold for a while: who has one needs no token. The key is a file of the folder's own, so
//! that they outlive a restart, and end all together where it is deleted.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{self, HMAC_SHA256, Key};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::record::name::RecordName;

/// Makes links, and checks them.
pub struct Signer(Key);

const KEY_BYTES: usize = 32;

impl Signer {
    /// With the key of that file; it is made where there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn open(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(key) if key.len() == KEY_BYTES => return Ok(Self(Key::new(HMAC_SHA256, &key))),
            // Half a key is none.
            Ok(_) => fs::remove_file(file)?,
            Err(_) => {}
        }
        let (signer, key) = Self::random();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(file)?.write_all(&key)?;
        Ok(signer)
    }

    /// With a key that nobody else will ever have.
    #[must_use]
    pub fn new() -> Self {
        Self::random().0
    }

    fn random() -> (Self, [u8; KEY_BYTES]) {
        let mut key = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut key).expect("the kernel gives random numbers");
        (Self(Key::new(HMAC_SHA256, &key)), key)
    }

    /// What a link to a recording that holds until then (seconds since 1970) has to show.
    #[must_use]
    pub fn sign(&self, name: &RecordName, until: u64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, message(name, until).as_bytes()))
    }

    /// Whether a link is one of ours, and still holds. The comparison takes the same time wherever it fails.
    #[must_use]
    pub fn holds(&self, name: &RecordName, until: u64, signature: &str, now: u64) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        hmac::verify(&self.0, message(name, until).as_bytes(), &signature).is_ok() && now < until
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

/// A name has no such sign in it, so no two links have the same message.
fn message(name: &RecordName, until: u64) -> String {
    format!("rillcast recording\n{name}\n{until}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::library::testing::TestFolder;

    #[test]
    fn a_link_holds_for_one_recording_and_until_its_end() {
        let folder = TestFolder::new("link");
        let file = folder.path.join("key");
        let signer = Signer::open(&file).unwrap();
        let name = |text: &str| RecordName::parse(text).unwrap();
        let good = signer.sign(&name("a_av_1.mp4"), 1000);
        let (mut other, mut longer) = (good.clone(), good.clone());
        other.replace_range(0..1, if good.starts_with('A') { "B" } else { "A" });
        longer.push('A');
        for (text, until, signature, now, holds) in [
            ("a_av_1.mp4", 1000, good.as_str(), 0, true),
            ("a_av_1.mp4", 1000, &good, 999, true),
            ("a_av_1.mp4", 1000, &good, 1000, false),
            ("a_av_1.mp4", 1001, &good, 0, false),
            ("a_av_2.mp4", 1000, &good, 0, false),
            ("b_av_1.mp4", 1000, &good, 0, false),
            ("a_av_1.mp4", 1000, &other, 0, false),
            ("a_av_1.mp4", 1000, &longer, 0, false),
            ("a_av_1.mp4", 1000, &good[..good.len() - 1], 0, false),
            ("a_av_1.mp4", 1000, "", 0, false),
            ("a_av_1.mp4", 1000, "not base64!", 0, false),
        ] {
            assert_eq!(signer.holds(&name(text), until, signature, now), holds, "{text} {until} {signature} {now}");
        }
        assert!(Signer::open(&file).unwrap().holds(&name("a_av_1.mp4"), 1000, &good, 0), "after a restart too");
        assert!(!Signer::new().holds(&name("a_av_1.mp4"), 1000, &good, 0));
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, b"half").unwrap();
        assert!(!Signer::open(&file).unwrap().holds(&name("a_av_1.mp4"), 1000, &good, 0));
    }
}
