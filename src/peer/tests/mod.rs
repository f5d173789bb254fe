//! Whole sessions with a simulated clock, and what forgers try.

mod srtp;
