//! Rooms on several workers, and all of them on one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::light::{Frames, Incoming, Light, Role, read};
use crate::server::Server;

/// Runs four rooms with two subscribers each for two seconds; returns the ports that the answers named.
fn rooms_stay_apart(server: &Server) -> BTreeSet<u16> {
    let mut publishers: Vec<(Light, Frames)> = (1..=4_u8)
        .map(|tag| (Light::connect(&server.base, Role::Publish, &format!("room{tag}")), Frames::new(tag)))
        .collect();
    for (light, frames) in &mut publishers {
        light.send_frame(frames, true);
    }
    let mut subscribers: Vec<(u8, Light, usize)> = (1..=4_u8)
        .flat_map(|tag| [tag, tag])
        .map(|tag| (tag, Light::connect(&server.base, Role::Play, &format!("room{tag}")), 0))
        .collect();
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        for (light, frames) in &mut publishers {
            let keyframe = frames.frame % 30 == 0;
            light.send_frame(frames, keyframe);
        }
        for (tag, light, count) in &mut subscribers {
            while let Some(incoming) = light.poll(Duration::from_millis(2)) {
                if let Incoming::Rtp(packet) = incoming {
                    assert_eq!(read(&packet).0, *tag, "nothing crosses");
                    *count += 1;
                }
            }
        }
    }
    for (tag, _, count) in &subscribers {
        assert!(*count > 30, "room{tag}: {count} packets");
    }
    publishers.iter().map(|(light, _)| light.server.port()).collect()
}

#[test]
fn rooms_on_two_workers_stay_apart() {
    let server = Server::with(&[("MEDIA_WORKERS", "2")]);
    let ports = rooms_stay_apart(&server);
    assert_eq!(ports.len(), 2, "both workers have rooms: {ports:?}");
}

#[test]
fn one_worker_serves_all_on_one_port() {
    let server = Server::with(&[("MEDIA_WORKERS", "1")]);
    assert_eq!(rooms_stay_apart(&server).len(), 1);
}
