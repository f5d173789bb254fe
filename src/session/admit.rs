//! How a session comes to be: reserve, negotiate, ask the worker, confirm.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::auth::{Grant, Principal};
use crate::id::{Mid, RoomName, SessionId};
use crate::limits;
use crate::net::clock;
use crate::notify::What;
use crate::rtp::codec::Format;
use crate::sdp::answer::{Local, answer_play, answer_publish};
use crate::sdp::offer::Offer;
use crate::sdp::{IceCredentials, answer};
use crate::session::registry::{IceState, Reserved, Role};
use crate::session::{BUSY, Client, FULL, SessionError, Sessions, log, random};
use crate::worker::mailbox::{AdmitError, AdmitPublisher, AdmitSubscriber, Command, EndReason, PeerSetup, Summary};

/// A session that was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its name.
    pub id: SessionId,
    /// Its entity tag, without the quotes.
    pub etag: String,
    /// The answer.
    pub sdp: String,
}

impl Sessions {
    /// Creates a publisher's session from its offer.
    ///
    /// # Errors
    /// [`SessionError`]; nothing is left of the session then.
    pub async fn publish(
        &self,
        room: &RoomName,
        grant: &Grant,
        client: Client,
        offer: &str,
    ) -> Result<Created, SessionError> {
        self.check_open(room)?;
        let mut offer = Offer::parse(offer)?;
        let rules = self.config().rules(room);
        if let Some(codecs) = &rules.codecs {
            offer.keep_codecs(codecs);
        }
        let mut admission = self.reserve(Role::Publisher, room, (grant, client), &offer)?;
        let answer = admission.local(|local| answer_publish(&offer, local))?;
        let mid = first_mid(answer.tracks.iter().map(|track| &track.mid));
        let formats = answer.tracks.iter().map(|track| track.format.clone()).collect();
        let admitted = async {
            // One after the other: which publisher is the room's is decided in the order of the worker's verdicts.
            let turn = admission.reserved.admission.clone();
            let _turn = turn.lock().await;
            let takeover = rules.takeover && self.may_take_over(room, &grant.principal);
            let peer = admission.setup(room, &offer);
            let (tracks, max_bitrate) = (answer.tracks, rules.max_bitrate);
            let admit = |reply| AdmitPublisher { peer, tracks, max_bitrate, takeover, reply };
            let ask = |reply| Command::AdmitPublisher(Box::new(admit(reply)));
            admission.ask(ask).await?;
            admission.confirm(mid, formats)
        };
        timeout(limits::ADMIT_TIME, admitted).await.map_err(|_| BUSY)??;
        Ok(admission.created(answer.sdp))
    }

    /// Creates a subscriber's session from its offer.
    ///
    /// # Errors
    /// [`SessionError`]; nothing is left of the session then.
    pub async fn play(
        &self,
        room: &RoomName,
        grant: &Grant,
        client: Client,
        offer: &str,
    ) -> Result<Created, SessionError> {
        self.check_open(room)?;
        if !self.config().rules(room).wait_for_publisher && self.registry().publisher(room).is_none() {
            return Err(SessionError::NoPublisher);
        }
        let offer = Offer::parse(offer)?;
        let mut admission = self.reserve(Role::Subscriber, room, (grant, client), &offer)?;
        let mut ssrcs = random::Ssrcs::default();
        let published = std::mem::take(&mut admission.reserved.formats);
        let answer = admission.local(|local| answer_play(&offer, local, &published, &mut || ssrcs.next()))?;
        let mid = first_mid(answer.tracks.iter().map(|track| &track.mid));
        let peer = admission.setup(room, &offer);
        let tracks = answer.tracks;
        let Reserved { home, worker, .. } = admission.reserved;
        let relay = (worker != home).then(|| self.workers.mailbox(home));
        let ask = |reply| Command::AdmitSubscriber(Box::new(AdmitSubscriber { peer, tracks, relay, reply }));
        timeout(limits::ADMIT_TIME, admission.ask(ask)).await.map_err(|_| BUSY)??;
        admission.confirm(mid, Vec::new())?;
        Ok(admission.created(answer.sdp))
    }

    /// The same credential may take over, and nobody may where everybody has the same: none.
    fn may_take_over(&self, room: &RoomName, principal: &Principal) -> bool {
        self.registry().publisher(room).is_some_and(|publisher| publisher.is_same(principal))
    }

    fn reserve(
        &self,
        role: Role,
        room: &RoomName,
        (grant, client): (&Grant, Client),
        offer: &Offer,
    ) -> Result<Admission<'_>, SessionError> {
        let id = random::session_id();
        let etag = random::etag();
        let ice = IceState { etag: etag.clone(), remote: offer.credentials().clone(), previous: None };
        let reserved = {
            let mut registry = self.registry();
            registry.measure(Instant::now(), &self.workers.awake());
            registry.reserve(id, role, room, (grant.principal.clone(), client), ice)
        };
        let reserved = reserved.map_err(|_| {
            self.bus.tell_limit(Some(room), "sessions");
            FULL
        })?;
        if let Some(end) = grant.session_until {
            self.end_at(id, end, clock::wall());
        }
        let credentials = random::credentials();
        let (room, began) = (room.clone(), Instant::now());
        Ok(Admission {
            sessions: self,
            id,
            role,
            room,
            began,
            etag,
            credentials,
            reserved,
            asked: false,
            confirmed: false,
        })
    }
}

/// A reserved session on its way. Dropped before it is confirmed (an error, a deadline, a client that hung up), it
/// leaves nothing behind.
struct Admission<'a> {
    sessions: &'a Sessions,
    id: SessionId,
    role: Role,
    room: RoomName,
    /// When its offer came.
    began: Instant,
    etag: String,
    credentials: IceCredentials,
    reserved: Reserved,
    /// The worker has heard of it.
    asked: bool,
    confirmed: bool,
}

impl Admission<'_> {
    fn local<T>(&self, negotiate: impl FnOnce(&Local<'_>) -> T) -> T {
        negotiate(&answer::Local {
            credentials: &self.credentials,
            fingerprint: &self.sessions.fingerprint,
            candidates: self.sessions.workers.candidates(self.reserved.worker),
            session_id: random::origin_id(),
        })
    }

    fn setup(&self, room: &RoomName, offer: &Offer) -> PeerSetup {
        PeerSetup {
            session: self.id,
            room: room.clone(),
            local: self.credentials.clone(),
            remote: offer.credentials().clone(),
            fingerprint: offer.fingerprint().clone(),
            role: offer.role(),
        }
    }

    /// Asks the worker and waits for its verdict.
    async fn ask(
        &mut self,
        command: impl FnOnce(oneshot::Sender<Result<(), AdmitError>>) -> Command,
    ) -> Result<(), SessionError> {
        let verdict = self.sessions.workers.ask(self.reserved.worker, command)?;
        self.asked = true;
        let verdict = verdict.await.map_err(|_| BUSY)?;
        self.asked = verdict.is_ok();
        Ok(verdict?)
    }

    fn confirm(&mut self, mid: Mid, formats: Vec<Format>) -> Result<(), SessionError> {
        let mut registry = self.sessions.registry();
        let confirmed = registry.confirm(self.id, mid, formats).ok_or(BUSY)?;
        self.confirmed = true;
        if confirmed.opens {
            self.sessions.bus.tell(Some(&self.room), What::RoomOpened);
        }
        Ok(())
    }

    fn created(&self, sdp: String) -> Created {
        let (role, time) = (self.role, self.began.elapsed());
        self.sessions.tally(|counts| counts.answered(role, time));
        log::started(self.id, role, &self.room);
        Created { id: self.id, etag: self.etag.clone(), sdp }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.confirmed {
            return;
        }
        self.sessions.forget(self.id, EndReason::Deleted, &Summary::default());
        if self.asked {
            // Behind the admission in the same mailbox. Where that is full the handshake's deadline ends the peer.
            let remove = |reply| Command::Remove { session: self.id, reason: EndReason::Deleted, reply };
            let _ = self.sessions.workers.ask(self.reserved.worker, remove);
        }
    }
}

fn first_mid<'a>(mut mids: impl Iterator<Item = &'a Mid>) -> Mid {
    mids.next().cloned().unwrap_or_else(|| Mid("0".into()))
}
