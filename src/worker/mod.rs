//! The data plane: pinned threads that own sockets, peers and rooms.

pub mod mailbox;
