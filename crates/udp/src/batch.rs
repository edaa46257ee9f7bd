//! The memory that the kernel receives into, and the safe view of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Bytes of the largest datagram that is received whole: the largest UDP payload over IPv4 is 65,507 bytes
/// and over IPv6 65,527 (RFC 768, RFC 8200). A longer Unix datagram is cut and marked as truncated.
pub const MAX_DATAGRAM: usize = 65_536;

/// Datagrams taken by one system call. Enough to make the call's price vanish; the kernel writes only as
/// many bytes as a datagram has, so that the memory really touched is a page or so each.
const SLOTS: usize = 64;

/// `struct sockaddr_in6` is the largest address that is of interest; of a `sockaddr_un` the kernel writes the
/// beginning and the rest is dropped.
const NAME_LEN: usize = 28;

/// Room for one control message of four bytes (`SO_RXQ_OVFL`) with its header and padding.
const CONTROL_LEN: usize = 32;

/// Memory for the datagrams of one system call; made once and used for each.
pub struct Batch {
    payload: Vec<u8>,
    names: Vec<[u8; NAME_LEN]>,
    controls: Vec<[u8; CONTROL_LEN]>,
    // Points into `payload`; read by the kernel through `headers`.
    _vectors: Vec<libc::iovec>,
    // Points into `names`, `controls` and `_vectors`.
    headers: Vec<libc::mmsghdr>,
    len: usize,
}

// SAFETY: the raw pointers in `_vectors` and `headers` point into heap memory that this very value owns and
// never reallocates, and they are followed only inside `receive`, which takes `&mut self`.
unsafe impl Send for Batch {}

/// One datagram of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What was received.
    pub bytes: &'a [u8],
    /// The sender; `None` on a Unix socket. An IPv4 sender on a dual-stack socket has its IPv4 address.
    pub source: Option<SocketAddr>,
    /// Whether the datagram was longer than [`MAX_DATAGRAM`] and its end is lost.
    pub truncated: bool,
}

impl Batch {
    /// Allocates the memory: 4 MiB of address space, of which only what datagrams fill becomes resident.
    #[must_use]
    pub fn new() -> Self {
        let mut payload = vec![0_u8; SLOTS * MAX_DATAGRAM];
        let mut names = vec![[0_u8; NAME_LEN]; SLOTS];
        let mut controls = vec![[0_u8; CONTROL_LEN]; SLOTS];
        let mut vectors: Vec<libc::iovec> = payload
            .chunks_exact_mut(MAX_DATAGRAM)
            .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() })
            .collect();
        let headers = vectors
            .iter_mut()
            .zip(names.iter_mut().zip(controls.iter_mut()))
            .map(|(vector, (name, control))| {
                // SAFETY: `mmsghdr` is a C struct of integers and pointers (with private padding on musl),
                // for all of which zero is a valid value.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_name = name.as_mut_ptr().cast();
                header.msg_hdr.msg_iov = ptr::from_mut(vector);
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header
            })
            .collect();
        // All slots count as used, so that the first call sets the lengths of every header.
        Self { payload, names, controls, _vectors: vectors, headers, len: SLOTS }
    }

    /// How many datagrams one system call takes at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        SLOTS
    }

    /// How many datagrams the last call received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the last call received nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The datagrams of the last call, in the order of their arrival.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { batch: self, next: 0 }
    }

    /// Receives what is there, and waits for a first datagram as long as the socket's receive timeout says.
    /// Returns the socket's count of dropped datagrams (wraps at 2^32) if the kernel told it.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
        for header in &mut self.headers[..self.len.max(1)] {
            // The kernel replaced these by what it wrote.
            header.msg_hdr.msg_namelen = NAME_LEN as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL_LEN as _;
            header.msg_hdr.msg_flags = 0;
        }
        self.len = 0;
        // SAFETY: `headers` has `SLOTS` valid entries, whose pointers and lengths describe memory owned by
        // `self` that nothing else uses during the call; a null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                SLOTS as libc::c_uint,
                // An int with glibc and unsigned with musl.
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        match usize::try_from(received) {
            Ok(received) => self.len = received.min(SLOTS),
            Err(_) => return Err(io::Error::last_os_error()),
        }
        // The count only grows: the last datagram's is the newest.
        let Some(last) = self.len.checked_sub(1) else { return Ok(None) };
        if self.headers[last].msg_hdr.msg_controllen == 0 {
            return Ok(None); // the slot's memory is an older message's
        }
        Ok(dropped(&self.controls[last]))
    }

    fn get(&self, index: usize) -> Datagram<'_> {
        let header = &self.headers[index];
        let slot = &self.payload[index * MAX_DATAGRAM..(index + 1) * MAX_DATAGRAM];
        let name_len = (header.msg_hdr.msg_namelen as usize).min(NAME_LEN);
        Datagram {
            bytes: &slot[..(header.msg_len as usize).min(MAX_DATAGRAM)],
            source: address(&self.names[index][..name_len]),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Datagram<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the datagrams of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    batch: &'a Batch,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        if self.next == self.batch.len {
            return None;
        }
        self.next += 1;
        Some(self.batch.get(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batch.len - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Reads a `sockaddr_in` or `sockaddr_in6` as the kernel wrote it (ip(7), ipv6(7)).
fn address(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(field(name, 0)?);
    let port = u16::from_be_bytes(field(name, 2)?);
    match libc::c_int::from(family) {
        libc::AF_INET => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(field::<4>(name, 4)?)), port)),
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(field::<16>(name, 8)?);
            Some(SocketAddr::new(IpAddr::V6(address).to_canonical(), port))
        }
        _ => None,
    }
}

/// Reads the count of an `SO_RXQ_OVFL` control message (socket(7), cmsg(3)).
fn dropped(control: &[u8]) -> Option<u32> {
    const WORD: usize = size_of::<usize>();
    let level = libc::c_int::from_ne_bytes(field(control, WORD)?);
    let kind = libc::c_int::from_ne_bytes(field(control, WORD + 4)?);
    if level != libc::SOL_SOCKET || kind != libc::SO_RXQ_OVFL {
        return None;
    }
    field(control, WORD + 8).map(u32::from_ne_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_families_and_no_other() {
        let mut v4 = [0_u8; NAME_LEN];
        v4[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        v4[2..8].copy_from_slice(&[0x1f, 0xbd, 192, 0, 2, 7]);
        assert_eq!(address(&v4[..16]), Some("192.0.2.7:8125".parse().unwrap()));

        let mut v6 = [0_u8; NAME_LEN];
        v6[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        v6[2..4].copy_from_slice(&[0x1f, 0xbd]);
        v6[8..24].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(address(&v6), Some("[2001:db8::7]:8125".parse().unwrap()));

        v6[8..24].copy_from_slice(&"::ffff:192.0.2.7".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(address(&v6), Some("192.0.2.7:8125".parse().unwrap()));

        assert_eq!(address(&(libc::AF_UNIX as u16).to_ne_bytes()), None);
        assert_eq!(address(&[]), None);
    }

    #[test]
    fn reads_the_overflow_count_and_no_other_message() {
        let mut control = Vec::new();
        control.extend((size_of::<usize>() + 12).to_ne_bytes());
        control.extend(libc::SOL_SOCKET.to_ne_bytes());
        control.extend(libc::SO_RXQ_OVFL.to_ne_bytes());
        control.extend(77_u32.to_ne_bytes());
        assert_eq!(dropped(&control), Some(77));
        assert_eq!(dropped(&control[..control.len() - 1]), None);
        control[size_of::<usize>() + 4..][..4].copy_from_slice(&libc::SO_TIMESTAMP.to_ne_bytes());
        assert_eq!(dropped(&control), None);
        assert_eq!(dropped(&[]), None);
    }
}
