//! Whole sessions with a simulated clock, and what forgers try.

mod forged;
mod harness;
mod paths;
mod session;
mod srtp;
