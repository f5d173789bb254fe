//! Containers, against FFmpeg: what is written decodes without a word, has all frames and the right length; and so has
//! what was cut off at any byte and mended.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod cut_off;
mod export;
mod ffmpeg;
mod whole;
