//! `recvmmsg` and `sendmmsg` with the control messages that say which of our addresses a datagram came to or leaves
//! from (`IP_PKTINFO`, `IPV6_PKTINFO`) and that the kernel shall cut a buffer into datagrams (`UDP_SEGMENT`). Where a
//! socket asks for them: when a datagram arrived (`SCM_TIMESTAMPNS`), how many the socket had to drop
//! (`SO_RXQ_OVFL`), and that several came as one (`UDP_GRO`). And the one socket option without a safe way to it.
//!
//! One of two files with `unsafe`: there is no safe way to these calls that neither allocates nor copies.
#![allow(unsafe_code)]
// Sizes of C structures as the integers that the kernel's interface has for them.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use crate::limits;
use crate::net::Route;
use crate::net::batch::Train;

const RECEIVED: usize = limits::RECV_BATCH_DATAGRAMS;
const SENT: usize = limits::SEND_BATCH_TRAINS;

/// Room for the control messages of one datagram: `IPV6_PKTINFO` takes 40 bytes, `UDP_SEGMENT` 24.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Room for the control messages of one received datagram: the address (40 bytes), the time (32), the count of drops
/// and the size of segments (24 each). The kernel writes those only that the socket has asked for.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ReceivedControl([u8; 128]);

const _: () = {
    // SAFETY: CMSG_SPACE only computes.
    let (address, segment) =
        unsafe { (libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32), libc::CMSG_SPACE(size_of::<u16>() as u32)) };
    // SAFETY: as above.
    let (time, count) =
        unsafe { (libc::CMSG_SPACE(size_of::<libc::timespec>() as u32), libc::CMSG_SPACE(size_of::<u32>() as u32)) };
    assert!(address + segment <= size_of::<Control>() as u32);
    assert!(address + time + 2 * count <= size_of::<ReceivedControl>() as u32);
    assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());
    assert!(align_of::<ReceivedControl>() >= align_of::<libc::cmsghdr>());
    assert!(size_of::<libc::sockaddr_in>() <= size_of::<libc::sockaddr_in6>());
    assert!(align_of::<libc::sockaddr_in>() <= align_of::<libc::sockaddr_in6>());
};

/// Datagrams as they were received, in one buffer that is used again and again.
pub struct RecvBatch {
    bytes: Box<[u8]>,
    /// Bytes of one datagram's place.
    place: usize,
    names: Box<[libc::sockaddr_in6]>,
    controls: Box<[ReceivedControl]>,
    datagrams: Vec<Datagram>,
    truncated: usize,
    overflows: Option<u32>,
}

#[derive(Clone, Copy)]
struct Datagram {
    route: Route,
    start: usize,
    len: usize,
    told: Told,
}

/// What the kernel says of a datagram beside its bytes.
#[derive(Clone, Copy, Default)]
struct Told {
    local: Option<IpAddr>,
    arrival: Option<Duration>,
    segment: Option<usize>,
    overflows: Option<u32>,
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::with_places_of(limits::DATAGRAM_BYTES)
    }
}

impl RecvBatch {
    /// A batch for datagrams of up to so many bytes: [`limits::DATAGRAM_BYTES`], or more where the socket may put
    /// several together (`UDP_GRO`).
    #[must_use]
    pub fn with_places_of(place: usize) -> Self {
        // SAFETY: a sockaddr_in6 is plain integers, for which zero is a value.
        let name: libc::sockaddr_in6 = unsafe { mem::zeroed() };
        Self {
            bytes: vec![0; RECEIVED * place].into(),
            place,
            names: vec![name; RECEIVED].into(),
            controls: vec![ReceivedControl([0; 128]); RECEIVED].into(),
            datagrams: Vec::with_capacity(RECEIVED),
            truncated: 0,
            overflows: None,
        }
    }

    /// Replaces the datagrams by the next ones of the socket, at most [`limits::RECV_BATCH_DATAGRAMS`]. True where
    /// there may be more.
    ///
    /// # Errors
    /// What the kernel says; `WouldBlock` where there is none. The batch is empty then.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        self.datagrams.clear();
        self.truncated = 0;
        self.overflows = None;
        // SAFETY: mmsghdr and iovec are plain integers and pointers, for which zero is a value.
        let (mut headers, mut pieces): ([libc::mmsghdr; RECEIVED], [libc::iovec; RECEIVED]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let slots = self.bytes.chunks_exact_mut(self.place);
        let places = slots.zip(&mut self.names).zip(&mut self.controls);
        for ((header, piece), ((bytes, name), control)) in headers.iter_mut().zip(&mut pieces).zip(places) {
            *piece = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_hdr.msg_iov = ptr::from_mut(piece);
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = size_of::<ReceivedControl>() as _;
        }
        // SAFETY: every header points to a name, a piece and a control area of its own, with their true sizes, all of
        // which outlive the call and are not touched by anything else during it.
        let count = unsafe {
            let flags = libc::MSG_DONTWAIT as _;
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), RECEIVED as _, flags, ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers.iter().enumerate().take(count) {
            let remote = remote_address(&self.names[index]);
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                self.truncated += 1;
            } else if let Some(remote) = remote {
                let told = told(&header.msg_hdr);
                let local = told.local.unwrap_or(unspecified(&remote));
                let (start, len) = (index * self.place, header.msg_len as usize);
                self.overflows = told.overflows.or(self.overflows);
                self.datagrams.push(Datagram { route: Route { local, remote }, start, len, told });
            }
        }
        Ok(count == RECEIVED)
    }

    /// How many datagrams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Datagrams of the last receive call that were larger than [`limits::DATAGRAM_BYTES`], and so are not there.
    #[must_use]
    pub fn truncated(&self) -> usize {
        self.truncated
    }

    /// One datagram and its way.
    ///
    /// # Panics
    /// Where `index` is not below [`RecvBatch::len`].
    pub fn datagram(&mut self, index: usize) -> (Route, &mut [u8]) {
        let Datagram { route, start, len, .. } = self.datagrams[index];
        (route, &mut self.bytes[start..start + len])
    }

    /// When the kernel got a datagram, since 1970; on a socket with `SO_TIMESTAMPNS`.
    ///
    /// # Panics
    /// Where `index` is not below [`RecvBatch::len`].
    #[must_use]
    pub fn arrival(&self, index: usize) -> Option<Duration> {
        self.datagrams[index].told.arrival
    }

    /// The size of the datagrams that came as one, of which the last may be shorter; on a socket with `UDP_GRO`.
    ///
    /// # Panics
    /// Where `index` is not below [`RecvBatch::len`].
    #[must_use]
    pub fn segment(&self, index: usize) -> Option<usize> {
        self.datagrams[index].told.segment
    }

    /// Datagrams that the socket of the last receive call had dropped, since it was bound, before one of this batch
    /// came: nobody took them in time. `None` where there were none, or the socket has no `SO_RXQ_OVFL`.
    #[must_use]
    pub fn overflows(&self) -> Option<u32> {
        self.overflows
    }
}

/// Sends trains, each from its place in `bytes`, and returns how many went (at least one).
///
/// # Errors
/// Why the first one did not go; `WouldBlock` where the socket is full.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], trains: &[Train]) -> io::Result<usize> {
    let count = trains.len().min(SENT);
    // SAFETY: these are plain integers and pointers, for which zero is a value.
    let (mut headers, mut pieces, mut names): ([libc::mmsghdr; SENT], [libc::iovec; SENT], [libc::sockaddr_in6; SENT]) =
        unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
    let mut controls = [Control([0; 64]); SENT];
    let places = pieces.iter_mut().zip(&mut names).zip(&mut controls);
    for ((header, train), ((piece, name), control)) in headers.iter_mut().zip(trains).zip(places) {
        let data = &bytes[train.start..train.start + train.len];
        // The kernel only reads what a sent piece points to.
        *piece = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        header.msg_hdr.msg_iov = ptr::from_mut(piece);
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_namelen = write_name(name, &train.route.remote);
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_control = ptr::from_mut(control).cast();
        write_controls(&mut header.msg_hdr, train);
    }
    // SAFETY: the first `count` headers point to names, pieces and control areas that outlive the call, with their true
    // sizes.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as _, libc::MSG_DONTWAIT as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Whether a datagram that is too large for its path goes in fragments (`true`) or is refused with `EMSGSIZE`. Without
/// fragments the kernel need not choose an identification for each datagram (RFC 6864 §4.1): 5 % of what sending one
/// takes.
///
/// # Errors
/// What the kernel says.
pub fn set_fragments(socket: BorrowedFd<'_>, v4: bool, fragments: bool) -> io::Result<()> {
    let (level, option) =
        if v4 { (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) };
    let value: libc::c_int = match (v4, fragments) {
        (true, true) => libc::IP_PMTUDISC_DONT,
        (true, false) => libc::IP_PMTUDISC_DO,
        (false, true) => libc::IPV6_PMTUDISC_DONT,
        (false, false) => libc::IPV6_PMTUDISC_DO,
    };
    // SAFETY: the option is an int, and the call reads as many bytes of it as it is told.
    let result = unsafe {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn remote_address(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in there, as the family says; it is smaller than a sockaddr_in6, is
            // aligned no stricter, and any bytes make one.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            // Flow label and scope are no part of what identifies the other side.
            Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

fn told(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: the kernel has filled the control area and set its length; the macros walk within it, and the data behind
    // a header is read unaligned and only as the type that its level and type name.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            let data = libc::CMSG_DATA(control);
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                    told.local = Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                    told.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at: libc::timespec = ptr::read_unaligned(data.cast());
                    told.arrival = Some(Duration::new(at.tv_sec.cast_unsigned(), at.tv_nsec.cast_unsigned() as u32));
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => told.overflows = Some(ptr::read_unaligned(data.cast())),
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size: libc::c_int = ptr::read_unaligned(data.cast());
                    told.segment = usize::try_from(size).ok().filter(|size| *size > 0);
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    told
}

/// "Any address", which as a source lets the kernel choose.
fn unspecified(remote: &SocketAddr) -> IpAddr {
    if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn write_name(name: &mut libc::sockaddr_in6, remote: &SocketAddr) -> libc::socklen_t {
    match remote {
        SocketAddr::V4(v4) => {
            // SAFETY: as in `remote_address`; the reference is the only one while it lives.
            let place = unsafe { &mut *ptr::from_mut(name).cast::<libc::sockaddr_in>() };
            place.sin_family = libc::AF_INET as _;
            place.sin_port = v4.port().to_be();
            place.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as _
        }
        SocketAddr::V6(v6) => {
            name.sin6_family = libc::AF_INET6 as _;
            name.sin6_port = v6.port().to_be();
            name.sin6_addr.s6_addr = v6.ip().octets();
            size_of::<libc::sockaddr_in6>() as _
        }
    }
}

/// Writes the control messages into the area that `msg_control` points to, a whole zeroed [`Control`].
fn write_controls(header: &mut libc::msghdr, train: &Train) {
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the area is a whole Control, which is large enough for both messages (asserted above) and aligned for
    // cmsghdr, so neither header is null; the data is written unaligned within the space that its header claims.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        let (mut used, next) = match train.route.local {
            IpAddr::V4(v4) if train.route.remote.is_ipv4() => {
                let ipi_spec_dst = libc::in_addr { s_addr: u32::from(v4).to_be() };
                let any = libc::in_addr { s_addr: 0 };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: any };
                put(header, first, (libc::IPPROTO_IP, libc::IP_PKTINFO), info)
            }
            IpAddr::V6(v6) if train.route.remote.is_ipv6() => {
                let ipi6_addr = libc::in6_addr { s6_addr: v6.octets() };
                let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
                put(header, first, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), info)
            }
            _ => (0, first),
        };
        if train.datagrams > 1 {
            used += put(header, next, (libc::SOL_UDP, libc::UDP_SEGMENT), train.segment).0;
        }
        header.msg_controllen = used as _;
        if used == 0 {
            header.msg_control = ptr::null_mut();
        }
    }
}

/// Writes one control message at `at`; returns the space it takes and the place behind it.
///
/// # Safety
/// `at` must lie in the control area of `header` with at least `CMSG_SPACE` of a `T` behind it.
unsafe fn put<T>(
    header: &libc::msghdr,
    at: *mut libc::cmsghdr,
    (level, kind): (i32, i32),
    value: T,
) -> (usize, *mut libc::cmsghdr) {
    // SAFETY: the caller vouches for the place.
    unsafe {
        (*at).cmsg_level = level;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
        ptr::write_unaligned(libc::CMSG_DATA(at).cast(), value);
        (libc::CMSG_SPACE(size_of::<T>() as u32) as usize, libc::CMSG_NXTHDR(header, at))
    }
}
