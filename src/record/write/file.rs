//! One file of a recording: its media, and the sheet beside it.

use std::time::{Duration, SystemTime};

use crate::id::RoomName;
use crate::limits;
use crate::media::{Muxer, Output, Sample};
use crate::record::folder::Folder;
use crate::record::name::RecordName;
use crate::record::sheet::{Gap, Sheet, State};
use crate::record::take::Opening;
use crate::record::write::error::WriteError;
use crate::record::write::part::Part;

/// See the module.
pub struct RecordFile {
    part: Part,
    muxer: Muxer,
    output: Output,
    gaps: Vec<Gap>,
}

/// What is known of a file when it is whole.
#[derive(Clone, PartialEq, Debug)]
pub struct Finished {
    /// Its name.
    pub name: RecordName,
    /// Of its media.
    pub duration: Duration,
    /// Where media is missing.
    pub gaps: Vec<Gap>,
}

impl RecordFile {
    /// Begins a file and its sheet.
    ///
    /// # Errors
    /// [`WriteError`]
    pub fn open(
        folder: &Folder,
        room: &RoomName,
        client: Option<&str>,
        opening: &Opening,
        began: SystemTime,
    ) -> Result<Self, WriteError> {
        let planned = opening.planned;
        let mut output = Output::default();
        // First of all: what has no place in the file leaves none behind.
        let muxer = Muxer::new(planned.container, &opening.tracks, &mut output)?;
        let part = Part::create(folder, room, planned.tracks.label(), began, planned.container.extension())?;
        let sheet = Sheet {
            state: State::Recording,
            start: Some(began),
            codecs: opening.tracks.iter().map(|track| track.codec.name().to_owned()).collect(),
            client: client.map(str::to_owned),
            ..Sheet::default()
        };
        if let Err(error) = sheet.write(folder.path(), part.name()) {
            let _ = part.discard();
            return Err(error.into());
        }
        Ok(Self { part, muxer, output, gaps: Vec::new() })
    }

    /// The name that it will have.
    #[must_use]
    pub fn name(&self) -> &RecordName {
        self.part.name()
    }

    /// The next frame. Those that come together are written together.
    ///
    /// # Errors
    /// [`WriteError::Media`] is of this frame alone: the next one may do.
    pub fn sample(&mut self, sample: &Sample) -> Result<(), WriteError> {
        self.muxer.write(sample, &mut self.output)?;
        if self.output.append.len() >= limits::RECORD_WRITE_BYTES {
            self.part.write(&mut self.output)?;
        }
        Ok(())
    }

    /// Media is missing there. The longest ones are kept where there are too many.
    pub fn gap(&mut self, at: Duration, length: Duration) {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.gaps.push(Gap { at: milliseconds(at), length: milliseconds(length) });
        if self.gaps.len() > limits::RECORD_SHEET_GAPS
            && let Some((shortest, _)) = self.gaps.iter().enumerate().min_by_key(|(_, gap)| gap.length)
        {
            self.gaps.remove(shortest);
        }
    }

    /// All of it is on the disk, and can be played as it is. Returns how many bytes came since the last time.
    ///
    /// # Errors
    /// [`WriteError::Io`]
    pub fn flush(&mut self) -> Result<u64, WriteError> {
        let before = self.part.length();
        self.muxer.cut(&mut self.output);
        self.part.write(&mut self.output)?;
        self.part.sync()?;
        Ok(self.part.length() - before)
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`WriteError::Io`]: what is there of it is still to be mended.
    pub fn finish(self) -> Result<Finished, WriteError> {
        let Self { mut part, muxer, mut output, gaps } = self;
        let duration = muxer.duration();
        muxer.finish(&mut output);
        part.write(&mut output)?;
        Ok(Finished { name: part.finish()?, duration, gaps })
    }
}
