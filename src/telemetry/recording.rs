//! What `/metrics` says of recording.

use crate::record::stats::Figures;
use crate::telemetry::families::Families;

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn add(families: &mut Families, figures: &Figures) {
    let one = |count: u64| [(Vec::new(), count)];
    families.gauge(
        "rillcast_recordings",
        "Publications that are being recorded.",
        [(Vec::new(), figures.running as f64)],
    );
    let outcomes = [("written", figures.frames), ("dropped", figures.dropped)];
    families.counter(
        "rillcast_recorded_frames_total",
        "Frames of recordings: written, or dropped because there was no file to write them into.",
        outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count)),
    );
    families.counter(
        "rillcast_recording_gaps_total",
        "Places in recordings where frames were lost on the way.",
        one(figures.lost),
    );
    families.counter("rillcast_recorded_bytes_total", "Bytes of recordings on the disk.", one(figures.bytes));
    let files = [("complete", figures.files), ("recovered", figures.recovered)];
    families.counter(
        "rillcast_recorded_files_total",
        "Files of recordings, by how they came to be whole.",
        files.map(|(state, count)| (vec![("state", state)], count)),
    );
    families.counter(
        "rillcast_recording_failures_total",
        "How often recording failed, by reason; it is tried again each five seconds.",
        figures.failures.iter().map(|(reason, count)| (vec![("reason", *reason)], *count)),
    );
}

/// The same of their upload.
#[cfg(feature = "upload")]
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn add_upload(families: &mut Families, figures: &crate::record::upload::Figures) {
    let one = |count: u64| [(Vec::new(), count)];
    families.gauge(
        "rillcast_uploads_waiting",
        "Recordings that are to be uploaded now; not those that wait for another try.",
        [(Vec::new(), figures.waiting as f64)],
    );
    families.counter(
        "rillcast_uploaded_files_total",
        "Recordings that were uploaded and compared with what is here.",
        one(figures.files),
    );
    families.counter("rillcast_uploaded_bytes_total", "Bytes of recordings that the store took.", one(figures.bytes));
    families.counter(
        "rillcast_upload_failures_total",
        "How often an upload failed, by reason; it is tried again.",
        figures.failures.iter().map(|(reason, count)| (vec![("reason", *reason)], *count)),
    );
}
