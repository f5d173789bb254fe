use super::*;

#[test]
fn which_codec_goes_where() {
    let all = |container: Container| {
        let names = Codec::ALL.into_iter().filter(|codec| container.holds(*codec)).map(Codec::name);
        names.collect::<Vec<_>>().join(" ")
    };
    for (container, codecs) in [
        (Container::Ivf, "VP8 VP9 AV1"),
        (Container::Ogg, "opus"),
        (Container::Wav, "PCMU PCMA"),
        (Container::Mp4, "H264 H265 VP9 AV1 opus"),
        (Container::WebM, "VP8 VP9 AV1 opus"),
    ] {
        assert_eq!(all(container), codecs);
        assert_eq!(Container::from_extension(container.extension()), Some(container));
    }
}

fn apply(bytes: &mut Vec<u8>, output: &mut Output) {
    bytes.append(&mut output.append);
    for (at, patch) in output.patches.drain(..) {
        let at = usize::try_from(at).unwrap();
        bytes[at..at + patch.len()].copy_from_slice(&patch);
    }
}

fn setup(codec: Codec) -> TrackSetup {
    let first = Bytes::from_static(&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xb4, 0, 7]);
    TrackSetup { codec, channels: if codec == Codec::Opus { 2 } else { 1 }, first }
}

/// Writes sound at these times, in milliseconds; the file and how long it is.
fn sound(container: Container, codec: Codec, packet: &'static [u8], times: &[u64]) -> (Vec<u8>, Duration) {
    let (mut output, mut bytes) = (Output::default(), Vec::new());
    let mut muxer = Muxer::new(container, &[setup(codec)], &mut output).unwrap();
    for time in times {
        let time = time * u64::from(codec.clock_rate()) / 1000;
        let sample = Sample { kind: MediaKind::Audio, time, is_key: true, data: Bytes::from_static(packet) };
        muxer.write(&sample, &mut output).unwrap();
    }
    let duration = muxer.duration();
    muxer.finish(&mut output);
    apply(&mut bytes, &mut output);
    (bytes, duration)
}

#[test]
fn time_without_sound_is_filled_where_packets_have_no_times() {
    // 20 ms of stereo each; half a second is missing, and a quarter of a second in front.
    let times = [250, 270, 790];
    let (ogg, duration) = sound(Container::Ogg, Codec::Opus, &[0xfc, 1, 2], &times);
    let clip = super::super::Clip::read(&ogg.into(), "ogg", 0.0).unwrap();
    let spoken: Vec<u64> =
        clip.frames.iter().filter(|frame| frame.data.len() > 1).map(|frame| frame.time / 48).collect();
    assert_eq!(spoken, [240, 260, 780], "to half a packet");
    assert!(clip.frames.iter().all(|frame| frame.data[0] == 0xfc));
    assert_eq!(duration, Duration::from_millis(810));

    let (wav, duration) = sound(Container::Wav, Codec::Pcmu, &[0x55; 160], &times);
    let (header, sound) = wav.split_at(58);
    assert_eq!((sound.len(), duration), (810 * 8, Duration::from_millis(810)));
    assert_eq!(&header[54..58], u32::try_from(sound.len()).unwrap().to_le_bytes());
    let at = |millisecond: usize| sound[millisecond * 8];
    assert_eq!(
        [at(0), at(249), at(250), at(289), at(290), at(789), at(790)].map(|byte| byte == 0x55),
        [false, false, true, true, false, false, true]
    );
}

#[test]
fn what_has_no_place_is_refused_and_the_file_goes_on() {
    let new = |container, codecs: &[Codec]| {
        let tracks: Vec<_> = codecs.iter().copied().map(setup).collect();
        Muxer::new(container, &tracks, &mut Output::default()).err()
    };
    assert_eq!(new(Container::WebM, &[Codec::Vp8, Codec::Opus]), None);
    for (container, codecs, error) in [
        (Container::WebM, vec![], MuxError::Tracks),
        (Container::WebM, vec![Codec::Vp8, Codec::Vp8], MuxError::Tracks),
        (Container::WebM, vec![Codec::Vp8, Codec::Pcmu], MuxError::Tracks),
        (Container::Mp4, vec![Codec::Vp8], MuxError::Tracks),
        (Container::Ivf, vec![Codec::Vp8, Codec::Opus], MuxError::Tracks),
        (Container::Mp4, vec![Codec::H264], MuxError::Description),
        (Container::Mp4, vec![Codec::Av1], MuxError::Description),
    ] {
        assert_eq!(new(container, &codecs), Some(error), "{container:?} {codecs:?}");
    }
    let mut output = Output::default();
    let mut muxer = Muxer::new(Container::WebM, &[setup(Codec::Vp8)], &mut output).unwrap();
    let sample = |kind, data: &'static [u8]| Sample { kind, time: 0, is_key: false, data: Bytes::from_static(data) };
    assert_eq!(muxer.write(&sample(MediaKind::Audio, &[1]), &mut output), Err(MuxError::Tracks));
    assert_eq!(muxer.write(&sample(MediaKind::Video, &[]), &mut output), Err(MuxError::Frame));
    assert_eq!(muxer.write(&sample(MediaKind::Video, &[1]), &mut output), Ok(()));
}

/// Times that go back, stand still or jump: what was written is mended to as many frames.
#[test]
fn strange_times_break_nothing() {
    for container in [Container::Ivf, Container::WebM] {
        let (mut output, mut bytes) = (Output::default(), Vec::new());
        let track = setup(Codec::Vp8);
        let mut muxer = Muxer::new(container, std::slice::from_ref(&track), &mut output).unwrap();
        let times = [0, 3_000, 3_000, 1_000, 90_000 * 40, 90_000 * 41, 90_000 * 35];
        for (index, time) in times.into_iter().enumerate() {
            let sample = Sample { kind: MediaKind::Video, time, is_key: index == 0, data: track.first.clone() };
            muxer.write(&sample, &mut output).unwrap();
            muxer.cut(&mut output);
            apply(&mut bytes, &mut output);
        }
        let mended = repair(container, &mut std::io::Cursor::new(&bytes[..])).unwrap();
        assert_eq!((mended.frames, mended.length), (7, bytes.len() as u64), "{container:?}");
    }
}
