//! What can be done to a session by the URL that names it.

use tokio::time::timeout;
use tracing::debug;

use crate::id::SessionId;
use crate::limits;
use crate::sdp::IceCredentials;
use crate::sdp::fragment::{self, Fragment};
use crate::session::precondition::Precondition;
use crate::session::registry::{IceState, Turn};
use crate::session::{BUSY, Role, SessionError, Sessions, random};
use crate::worker::mailbox::{Command, EndReason};

/// What came of a PATCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Patched {
    /// Candidates, or nothing: an ICE-lite side needs none of them, it learns addresses from checks.
    Trickled,
    /// ICE restarted.
    Restarted {
        /// Our fragment.
        fragment: String,
        /// The session's new entity tag, without the quotes.
        etag: String,
    },
}

/// What a fragment asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asks {
    Nothing,
    Restart,
}

impl Sessions {
    /// True when there is such a session.
    #[must_use]
    pub fn exists(&self, id: SessionId, role: Role) -> bool {
        self.registry().get(id, role).is_some()
    }

    /// Takes a trickle fragment, or restarts ICE where it has new credentials (RFC 9725 §4.3).
    ///
    /// # Errors
    /// [`SessionError`]; the session is as it was before then.
    pub async fn patch(
        &self,
        id: SessionId,
        role: Role,
        precondition: &Precondition,
        body: &str,
    ) -> Result<Patched, SessionError> {
        if !self.exists(id, role) {
            return Err(SessionError::NotFound);
        }
        let fragment = Fragment::parse(body)?;
        match self.weigh(id, role, precondition, &fragment)? {
            (Asks::Nothing, _) => Ok(Patched::Trickled),
            (Asks::Restart, turn) => {
                let restarted = async {
                    // What a restart that came first has changed is weighed again.
                    let _turn = turn.lock().await;
                    match (self.weigh(id, role, precondition, &fragment)?, fragment.credentials) {
                        ((Asks::Restart, _), Some(remote)) => self.restart(id, role, remote).await,
                        _ => Ok(Patched::Trickled),
                    }
                };
                timeout(limits::ADMIT_TIME, restarted).await.map_err(|_| BUSY)?
            }
        }
    }

    /// Ends a session: the worker says goodbye to the client.
    ///
    /// # Errors
    /// [`SessionError::NotFound`], the second time too; [`SessionError::Unavailable`] where the worker takes no
    /// command, and the session goes on then.
    pub async fn delete(&self, id: SessionId, role: Role) -> Result<(), SessionError> {
        let worker = self.registry().get(id, role).ok_or(SessionError::NotFound)?.worker;
        let remove = |reply| Command::Remove { session: id, reason: EndReason::Deleted, reply };
        let removed = self.workers.ask(worker, remove)?;
        // Of two at once the worker tells one that it was there; its own event may have cleared the registry before we
        // do.
        let verdict = timeout(limits::ADMIT_TIME, removed).await;
        let summary = verdict.ok().and_then(Result::ok);
        self.forget(id, EndReason::Deleted, &summary.flatten().unwrap_or_default());
        if summary == Some(None) { Err(SessionError::NotFound) } else { Ok(()) }
    }

    fn weigh(
        &self,
        id: SessionId,
        role: Role,
        precondition: &Precondition,
        fragment: &Fragment,
    ) -> Result<(Asks, Turn), SessionError> {
        let registry = self.registry();
        let resource = registry.get(id, role).ok_or(SessionError::NotFound)?;
        precondition.check(&resource.ice.etag, self.config().strict_etag)?;
        let asks = asks(&resource.ice, fragment.credentials.as_ref())?;
        Ok((asks, resource.restart.clone()))
    }

    async fn restart(&self, id: SessionId, role: Role, remote: IceCredentials) -> Result<Patched, SessionError> {
        let worker = self.registry().get(id, role).ok_or(SessionError::NotFound)?.worker;
        let local = random::credentials();
        let theirs = (local.clone(), remote.clone());
        let ask = |reply| Command::RestartIce { session: id, local: theirs.0, remote: theirs.1, reply };
        if !self.workers.ask(worker, ask)?.await.map_err(|_| BUSY)? {
            return Err(SessionError::NotFound);
        }
        let mut registry = self.registry();
        let resource = registry.get_mut(id).ok_or(SessionError::NotFound)?;
        let etag = random::etag();
        let previous = Some(std::mem::replace(&mut resource.ice.remote, remote));
        resource.ice.previous = previous;
        resource.ice.etag.clone_from(&etag);
        debug!(room = %resource.room, session = %id.key(), "ICE restarted");
        let fragment = fragment::write(&local, &resource.mid.0, self.workers.candidates(worker));
        Ok(Patched::Restarted { fragment, etag })
    }
}

/// A restart changes both the ufrag and the password (RFC 8445 §9).
fn asks(ice: &IceState, credentials: Option<&IceCredentials>) -> Result<Asks, SessionError> {
    let Some(new) = credentials else { return Ok(Asks::Nothing) };
    if *new == ice.remote || ice.previous.as_ref() == Some(new) {
        return Ok(Asks::Nothing);
    }
    if new.ufrag == ice.remote.ufrag || new.pwd == ice.remote.pwd {
        return Err(SessionError::Invalid("an ICE restart changes both ice-ufrag and ice-pwd".into()));
    }
    Ok(Asks::Restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ufrag: &str, pwd: &str) -> IceCredentials {
        IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() }
    }

    #[test]
    fn what_fragments_ask_for() {
        let ice = IceState { etag: "e".into(), remote: pair("now", "now-pwd"), previous: Some(pair("old", "old-pwd")) };
        let table = [
            (None, Some(Asks::Nothing)),
            (Some(pair("now", "now-pwd")), Some(Asks::Nothing)),
            (Some(pair("old", "old-pwd")), Some(Asks::Nothing)),
            (Some(pair("new", "new-pwd")), Some(Asks::Restart)),
            (Some(pair("new", "now-pwd")), None),
            (Some(pair("now", "new-pwd")), None),
        ];
        for (credentials, expected) in table {
            let verdict = asks(&ice, credentials.as_ref()).ok();
            assert_eq!(verdict, expected, "{:?}", credentials.map(|c| (c.ufrag, c.pwd)));
        }
    }
}
