//! Three whole answers to look at, in `tests/data/answers`. A wanted change is written there with `UPDATE_ANSWERS=1`.

use rillcast::rtp::codec::Codec;

use crate::checker::Kind;
use crate::{answer, data, offer, published};

#[test]
fn whole_answers() {
    for (name, kind, video) in [
        ("obs-32-whip.sdp", Kind::Publish, None),
        ("ffmpeg-9-whip.sdp", Kind::Publish, None),
        ("chromium-H264-whep.sdp", Kind::Play, Some(Codec::H264)),
    ] {
        let found = answer(&offer(name), kind, &published(video)).unwrap();
        let path = data("answers").join(name);
        if std::env::var_os("UPDATE_ANSWERS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{name}");
    }
}
