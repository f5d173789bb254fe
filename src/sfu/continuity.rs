//! Does a sequence number go on from the ones before (RFC 3550 appendix A.1)? What jumps is dropped, until a second
//! packet shows that the source has begun to count anew. So no loop behind it ever runs over more numbers than could
//! have been lost.

/// So far may a packet be ahead of the newest one, or behind it: three seconds of 10 Mbit/s.
const WINDOW: u16 = 3_000;

/// The numbers of one SSRC.
#[derive(Clone, Copy, Default, Debug)]
pub struct Continuity {
    newest: Option<u16>,
    /// After a jump: the number that would confirm it.
    confirms: Option<u16>,
}

/// What a number means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on.
    GoesOn,
    /// It jumps; nobody can tell yet.
    Doubtful,
    /// The source counts anew from here.
    Restarts,
}

impl Continuity {
    /// True once a packet has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.newest.is_some()
    }

    /// True for a number within reach of the newest one.
    #[must_use]
    pub fn is_near(&self, sequence: u16) -> bool {
        self.newest.is_some_and(|newest| {
            let ahead = sequence.wrapping_sub(newest);
            !(WINDOW..=u16::MAX - WINDOW).contains(&ahead)
        })
    }

    /// Notes a number that has come.
    pub fn judge(&mut self, sequence: u16) -> Verdict {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return Verdict::GoesOn;
        };
        if self.is_near(sequence) {
            if sequence.wrapping_sub(newest) < WINDOW {
                self.newest = Some(sequence);
            }
            self.confirms = None;
            return Verdict::GoesOn;
        }
        if self.confirms == Some(sequence) {
            *self = Self { newest: Some(sequence), confirms: None };
            return Verdict::Restarts;
        }
        self.confirms = Some(sequence.wrapping_add(1));
        Verdict::Doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_need_a_second_packet() {
        let mut continuity = Continuity::default();
        assert!(!continuity.has_begun() && !continuity.is_near(5));
        let table = [
            (65_000, Verdict::GoesOn),
            (65_535, Verdict::GoesOn),
            (500, Verdict::GoesOn),
            (65_000, Verdict::GoesOn),
            (10_000, Verdict::Doubtful),
            (501, Verdict::GoesOn),
            (10_001, Verdict::Doubtful),
            (30_000, Verdict::Doubtful),
            (30_001, Verdict::Restarts),
            (30_000, Verdict::GoesOn),
            (501, Verdict::Doubtful),
            (502, Verdict::Restarts),
        ];
        for (sequence, verdict) in table {
            assert_eq!(continuity.judge(sequence), verdict, "{sequence}");
        }
    }
}
