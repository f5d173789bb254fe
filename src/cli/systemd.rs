//! What the service manager is told: ready, stopping (sd_notify(3), by hand: it is one datagram).

use std::env;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The server serves.
pub(super) const READY: &str = "READY=1";
/// It was asked to stop, and says goodbye to its sessions.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Tells the service manager, where there is one that wants to know. It may have gone: nobody minds.
pub(super) fn tell(state: &str) {
    if let Some(socket) = env::var_os("NOTIFY_SOCKET") {
        let _ = send(socket.as_encoded_bytes(), state);
    }
}

/// A path, or with `@` in front a name in the abstract namespace.
fn send(socket: &[u8], state: &str) -> std::io::Result<()> {
    let address = match socket.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::str::from_utf8(socket).map_err(std::io::Error::other)?)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_socket_are_reached() {
        let name = format!("rillcast-notify-{}", std::process::id());
        let path = env::temp_dir().join(&name);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in [(by_path, path.to_str().unwrap().to_owned()), (by_name, format!("@{name}"))] {
            send(address.as_bytes(), READY).unwrap();
            let mut state = [0; 64];
            let len = socket.recv(&mut state).unwrap();
            assert_eq!(&state[..len], READY.as_bytes());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(send(path.as_os_str().as_encoded_bytes(), READY).is_err(), "nobody is there, and we go on");
    }
}
