//! What was left half written is mended: by who left it, or at the next start. Of its media nothing is lost but what
//! had not reached the disk.

use tracing::{info, warn};

use crate::media::{self, Container};
use crate::notify::What;
use crate::notify::now as wall;
use crate::record::folder::Kind;
use crate::record::name::RecordName;
use crate::record::sheet::State;
use crate::record::write::error::WriteError;
use crate::record::write::{Desk, Part};

/// Mends all that was left in the folder. It may take a while: each file is read.
pub fn mend_all(desk: &Desk) {
    let found = match desk.folder.scan() {
        Ok(found) => found,
        Err(error) => return warn!(%error, "left-over recordings were not looked for"),
    };
    for name in found.into_iter().filter(|(_, seen)| seen.kind == Kind::Part).map(|(name, _)| name) {
        if let Err(error) = mend(desk, &name) {
            warn!(record = %name, %error, "a left-over recording was not mended; its .part file stays");
        }
    }
}

/// Mends one. Where nothing of it can be played, there is nothing to keep.
///
/// # Errors
/// [`WriteError`]: it stays as it is, or as far as it was mended, which can be done again.
pub fn mend(desk: &Desk, name: &RecordName) -> Result<(), WriteError> {
    let Some(container) = Container::from_extension(name.container().extension()) else {
        return Err(std::io::Error::other("not a container that is written here").into());
    };
    let _hold = desk.library.hold(name).ok().flatten();
    let mut part = Part::resume(&desk.folder, name)?;
    let mut repair = media::repair(container, &mut part.file())?;
    if repair.frames == 0 {
        info!(record = %name, bytes = part.length(), "a left-over recording had no frame in it");
        return Ok(part.discard()?);
    }
    // When it was written last, not when it was mended: lists and rules go by that.
    let modified = part.file().metadata()?.modified()?;
    let cut = part.length().saturating_sub(repair.length);
    part.truncate(repair.length)?;
    part.write(&mut repair.output)?;
    part.file().set_modified(modified)?;
    part.finish()?;
    desk.stats.recover();
    info!(record = %name, seconds = repair.duration.as_secs_f64(), cut, "a left-over recording was mended");
    let noted = desk.library.update(name, move |recording, sheet| {
        (sheet.state, sheet.duration) = (State::Recovered, u64::try_from(repair.duration.as_millis()).ok());
        sheet.end = sheet.end.or_else(|| recording.start().checked_add(repair.duration)).or_else(|| Some(wall()));
        Ok(())
    });
    if let Err(error) = desk.runtime.block_on(noted) {
        warn!(record = %name, %error, "what is known of a recording was not written");
    }
    desk.bus.tell(Some(name.room()), What::RecordEnded { record: name.as_str().into(), reason: "recovered" });
    Ok(())
}
