//! The server as a process, through its real doors: HTTP, UDP, TCP on loopback.

#![allow(clippy::disallowed_methods, reason = "clients of a real server, in real time")]
#![allow(clippy::result_large_err, reason = "the reply of a request that was refused: nobody is in a hurry")]

mod admin;
mod cli;
mod forged;
mod light;
mod load;
mod publisher;
mod reload;
mod replicas;
mod server;
mod sessions;
mod workers;
