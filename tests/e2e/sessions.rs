//! What ends a session, and what does not.

use std::time::{Duration, Instant};

use crate::light::{Frames, Incoming, Light, Role, Setup, read, request};
use crate::server::Server;

const SOON: Duration = Duration::from_secs(2);

/// Sends a frame and returns the first frame number with this tag that the subscriber gets.
pub fn pass(publisher: &mut Light, frames: &mut Frames, subscriber: &mut Light, tag: u8) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let keyframe = frames.frame.is_multiple_of(30);
        publisher.send_frame(frames, keyframe);
        let until = Instant::now() + Duration::from_millis(30);
        while let Some(incoming) = subscriber.poll(until.saturating_duration_since(Instant::now())) {
            match incoming {
                Incoming::Rtp(packet) if read(&packet).0 == tag => return read(&packet).2,
                Incoming::Closed => panic!("the session ended"),
                Incoming::Rtp(_) => {}
            }
        }
    }
    panic!("nothing with tag {tag} came");
}

#[test]
fn media_passes_and_every_goodbye_frees_everything_at_once() {
    let server = Server::start();
    for goodbye in ["delete", "close_notify"] {
        let mut publisher = Light::connect(&server.base, Role::Publish, "life");
        let mut frames = Frames::new(1);
        publisher.send_frame(&mut frames, true);
        let mut subscriber = Light::connect(&server.base, Role::Play, "life");
        pass(&mut publisher, &mut frames, &mut subscriber, 1);
        server
            .wait_rooms("one of each", SOON, |rooms| rooms[0]["subscribers"] == 1 && rooms[0]["hasPublisher"] == true);
        if goodbye == "delete" {
            assert_eq!((publisher.delete().status, publisher.delete().status), (200, 404));
            assert_eq!((subscriber.delete().status, subscriber.delete().status), (200, 404));
        } else {
            publisher.close_notify();
            subscriber.close_notify();
        }
        server.wait_rooms(goodbye, SOON, |rooms| rooms.as_array().unwrap().is_empty());
    }
}

/// FFmpeg's role: its offer says `setup:passive`, so the server is the DTLS client.
#[test]
fn a_passive_offerer_publishes_and_plays() {
    let server = Server::start();
    let connect = |role| {
        let mut light = Light::post_with(&server.base, role, Setup::Passive, "passive")
            .unwrap_or_else(|reply| panic!("{}", reply.body));
        light.establish();
        light
    };
    let mut publisher = connect(Role::Publish);
    let mut frames = Frames::new(4);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = connect(Role::Play);
    pass(&mut publisher, &mut frames, &mut subscriber, 4);
}

#[test]
fn a_subscriber_whose_port_changes_goes_on_within_one_check() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "port");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "port");
    pass(&mut publisher, &mut frames, &mut subscriber, 2);
    for tag in 3..6 {
        subscriber.change_port();
        assert!(subscriber.check(), "a check from the new port is answered");
        frames.tag = tag;
        pass(&mut publisher, &mut frames, &mut subscriber, tag);
    }
}

/// One that answers no requests gets three times what it sent, whatever it reports.
#[test]
fn an_address_that_does_not_answer_is_held_down_until_it_does() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "mute");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "mute");
    subscriber.answers = false;
    pass(&mut publisher, &mut frames, &mut subscriber, 2);
    subscriber.change_port();
    let silent = subscriber.socket.try_clone().unwrap();
    assert!(subscriber.check());
    let end = Instant::now() + SOON;
    let mut bytes = 0;
    silent.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut buffer = [0; 2048];
    while Instant::now() < end {
        publisher.send_frame(&mut frames, true);
        while let Ok((length, _)) = silent.recv_from(&mut buffer) {
            bytes += length;
        }
    }
    assert!(bytes <= 4 * 150, "{bytes} bytes for one check");
    // A report of far more than was ever sent proves nothing.
    subscriber.report_highest(u16::MAX);
    publisher.send_frame(&mut frames, true);
    assert!(silent.recv_from(&mut buffer).is_err(), "nothing more came");
    subscriber.answers = true;
    assert!(subscriber.check());
    frames.tag = 3;
    pass(&mut publisher, &mut frames, &mut subscriber, 3);
}

#[test]
fn a_publisher_whose_port_changes_goes_on() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "nat");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "nat");
    pass(&mut publisher, &mut frames, &mut subscriber, 2);
    publisher.change_port();
    assert!(publisher.check());
    frames.tag = 3;
    pass(&mut publisher, &mut frames, &mut subscriber, 3);
}

#[test]
fn an_ice_restart_keeps_the_media() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "restart");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "restart");
    let reply = subscriber.restart();
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_ne!(reply.headers["etag"].to_str().unwrap(), subscriber.etag);
    subscriber.change_port();
    assert!(subscriber.check(), "a check with the new credentials is answered");
    pass(&mut publisher, &mut frames, &mut subscriber, 2);
}

#[test]
fn one_that_goes_silent_is_gone_after_consent_expiry() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "silent");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let subscriber = Light::connect(&server.base, Role::Play, "silent");
    let silent_since = Instant::now();
    drop(subscriber);
    loop {
        publisher.send_frame(&mut frames, true);
        if server.rooms()[0]["subscribers"] == 0 {
            break;
        }
        assert!(silent_since.elapsed() < Duration::from_secs(34), "gone after 30 s");
        std::thread::sleep(Duration::from_millis(250));
    }
    assert!(silent_since.elapsed() > Duration::from_secs(28), "not before: {:?}", silent_since.elapsed());
    assert_eq!(server.rooms()[0]["hasPublisher"], true, "the publisher was never silent");
}

#[test]
fn sigterm_drains_and_says_goodbye() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "end");
    let mut frames = Frames::new(2);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "end");
    assert_eq!(request("GET", &format!("{}/readyz", server.base), &[], "").status, 200);
    assert_eq!(server.terminate(), Some(0));
    for light in [&mut publisher, &mut subscriber] {
        let deadline = Instant::now() + SOON;
        while !matches!(light.poll(Duration::from_millis(100)), Some(Incoming::Closed)) {
            assert!(Instant::now() < deadline, "a goodbye comes");
        }
    }
}
