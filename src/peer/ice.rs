//! ICE-lite (RFC 8445 §2.5): answers checks, sends none, is always the controlled agent.

use crate::peer::path::Path;
use crate::peer::stun::{self, Request, Transaction};
use crate::sdp::IceCredentials;
use crate::sfu::drop::DropReason;

/// Both sides' credentials of one ICE generation.
struct Generation {
    local: IceCredentials,
    remote: IceCredentials,
}

/// What a check was, once its integrity held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// Answered with success.
    Valid {
        /// It had USE-CANDIDATE.
        nominated: bool,
        /// It is the first one with the credentials of an ICE restart.
        restarted: bool,
    },
    /// Answered with an error; nothing changed.
    Refused,
}

/// The credentials that checks are measured by.
pub struct Ice {
    current: Generation,
    /// Until the first check of the current generation.
    previous: Option<Box<Generation>>,
}

impl Ice {
    /// For checks with these credentials.
    #[must_use]
    pub fn new(local: IceCredentials, remote: IceCredentials) -> Self {
        Self { current: Generation { local, remote }, previous: None }
    }

    /// New credentials; the ones that a check has last confirmed hold until one of the new ones comes.
    pub fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        let next = Generation { local, remote };
        let replaced = std::mem::replace(&mut self.current, next);
        self.previous.get_or_insert_with(|| Box::new(replaced));
    }

    /// A Binding request of our own for this transaction.
    #[must_use]
    pub fn request(&self, transaction: Transaction) -> Vec<u8> {
        let Generation { local, remote } = &self.current;
        stun::request(&format!("{}:{}", remote.ufrag, local.ufrag), transaction, &remote.pwd)
    }

    /// True for the client's answer to it.
    #[must_use]
    pub fn is_answer(&self, datagram: &[u8], transaction: Transaction) -> bool {
        stun::is_success(datagram, transaction, &self.current.remote.pwd)
    }

    /// Judges one datagram and writes the answer into `answer`.
    ///
    /// # Errors
    /// Why nothing is answered: a message that is no check of this peer's, or one without the right integrity. No state
    /// has changed then.
    pub fn check(&mut self, path: &Path, datagram: &[u8], answer: &mut Vec<u8>) -> Result<Check, DropReason> {
        let request = Request::parse(datagram).ok_or(DropReason::StunMalformed)?;
        let is_current = self.current.is_meant(&request);
        let previous = self.previous.as_deref().filter(|previous| previous.is_meant(&request));
        let generation = match previous {
            _ if is_current => &self.current,
            Some(previous) => previous,
            None => return Err(DropReason::StunUnknownUfrag),
        };
        let password = &generation.local.pwd;
        if !request.is_authentic(password) {
            return Err(DropReason::StunIntegrity);
        }
        if !request.unknown().is_empty() {
            *answer = request.unknown_attribute(password);
            return Ok(Check::Refused);
        }
        // RFC 8445 §7.3.1.1: a lite agent cannot take the controlling role, so its tie-breaker is the least one, 0, and the
        // sender always becomes the controlling agent.
        if request.controlled {
            *answer = request.role_conflict(password);
            return Ok(Check::Refused);
        }
        *answer = request.success(path.remote, password);
        let nominated = request.use_candidate;
        let restarted = is_current && self.previous.take().is_some();
        Ok(Check::Valid { nominated, restarted })
    }
}

impl Generation {
    fn is_meant(&self, request: &Request<'_>) -> bool {
        let rest = request.username.strip_prefix(self.local.ufrag.as_str());
        rest.and_then(|rest| rest.strip_prefix(':')) == Some(self.remote.ufrag.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::stun::tests::check;
    use crate::sdp::Transport;

    type Attributes = &'static [(u16, &'static [u8])];

    fn credentials(ufrag: &str, pwd: &str) -> IceCredentials {
        IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() }
    }

    fn ice() -> Ice {
        Ice::new(credentials("srv1", "server-password-one"), credentials("cli1", "client-password-one"))
    }

    fn path() -> Path {
        let remote = "192.0.2.7:5000".parse().unwrap();
        Path { transport: Transport::Udp, local_ip: "198.51.100.1".parse().unwrap(), remote }
    }

    #[test]
    fn checks() {
        let pwd = "server-password-one";
        let plain = Check::Valid { nominated: false, restarted: false };
        let nominated = Check::Valid { nominated: true, restarted: false };
        let table: &[(&str, &str, Attributes, Result<Check, DropReason>)] = &[
            ("srv1:cli1", pwd, &[(0x802a, &[1; 8])], Ok(plain)),
            ("srv1:cli1", pwd, &[(0x802a, &[1; 8]), (0x25, &[])], Ok(nominated)),
            ("srv1:cli1", pwd, &[(0x8029, &[1; 8])], Ok(Check::Refused)),
            ("srv1:cli1", pwd, &[(0x7fff, &[])], Ok(Check::Refused)),
            ("srv1:cli1", "client-password-one", &[], Err(DropReason::StunIntegrity)),
            ("srv1:cli2", pwd, &[], Err(DropReason::StunUnknownUfrag)),
            ("srv1", pwd, &[], Err(DropReason::StunUnknownUfrag)),
            ("srv:cli1", pwd, &[], Err(DropReason::StunUnknownUfrag)),
            ("cli1:srv1", pwd, &[], Err(DropReason::StunUnknownUfrag)),
        ];
        for (user, key, attributes, expected) in table {
            let mut answer = Vec::new();
            let got = ice().check(&path(), &check(user, key, attributes), &mut answer);
            assert_eq!(got, *expected, "{user} {key} {attributes:?}");
            assert_eq!(answer.is_empty(), expected.is_err(), "{user} {key}");
        }
    }

    #[test]
    fn a_restart_keeps_the_old_credentials_until_the_new_ones_are_used() {
        let mut ice = ice();
        let old = check("srv1:cli1", "server-password-one", &[]);
        let new = check("srv3:cli3", "server-password-three", &[(0x25, &[])]);
        let mut answer = Vec::new();
        ice.restart(credentials("srv2", "server-password-two"), credentials("cli2", "x"));
        ice.restart(credentials("srv3", "server-password-three"), credentials("cli3", "x"));
        let plain = Ok(Check::Valid { nominated: false, restarted: false });
        assert_eq!(ice.check(&path(), &old, &mut answer), plain);
        let forged = check("srv3:cli3", "server-password-one", &[]);
        assert_eq!(ice.check(&path(), &forged, &mut answer), Err(DropReason::StunIntegrity));
        assert_eq!(ice.check(&path(), &old, &mut answer), plain);
        let restarted = Ok(Check::Valid { nominated: true, restarted: true });
        assert_eq!(ice.check(&path(), &new, &mut answer), restarted);
        let again = Ok(Check::Valid { nominated: true, restarted: false });
        assert_eq!(ice.check(&path(), &new, &mut answer), again);
        assert_eq!(ice.check(&path(), &old, &mut answer), Err(DropReason::StunUnknownUfrag));
    }
}
