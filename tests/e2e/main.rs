//! The server as a process, through its real doors: HTTP, UDP, TCP on loopback.

mod forged;
mod light;
mod publisher;
mod server;
mod sessions;
mod workers;
