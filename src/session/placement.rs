//! Which worker a new room gets.

/// The worker with the fewest sessions, the first one of several. The room stays there as long as it has a session:
/// publisher and subscribers meet on one worker, so nothing has to be handed from core to core.
#[must_use]
pub fn home(sessions: &[usize]) -> usize {
    sessions.iter().enumerate().min_by_key(|(_, sessions)| **sessions).map_or(0, |(worker, _)| worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewest_sessions_then_first() {
        let table: [(&[usize], usize); 5] =
            [(&[0], 0), (&[0, 0, 0], 0), (&[1, 0, 0], 1), (&[5, 4, 3], 2), (&[7, 7, 6, 6], 2)];
        for (sessions, expected) in table {
            assert_eq!(home(sessions), expected, "{sessions:?}");
        }
    }
}
