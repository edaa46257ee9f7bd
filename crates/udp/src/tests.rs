use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::{Batch, MAX_DATAGRAM, Options, Socket};

const LONG: Duration = Duration::from_secs(20);

fn bound(options: &Options) -> (Socket, UdpSocket) {
    let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(socket.local_addr().unwrap().unwrap()).unwrap();
    (socket, sender)
}

/// Loopback delivers in the sender's own system call, so all that was sent is there to be received.
fn drain(socket: &mut Socket, batch: &mut Batch) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        socket.recv_batch(batch, Duration::ZERO).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch.iter().map(|datagram| datagram.bytes.to_vec()));
    }
}

#[test]
fn bytes_and_source_of_each_datagram() {
    let (mut socket, sender) = bound(&Options::default());
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send(b"a:1|c").unwrap();
    sender.send(b"").unwrap();
    other.send_to(&[0xff; 1500], socket.local_addr().unwrap().unwrap()).unwrap();

    let mut batch = Batch::new();
    socket.recv_batch(&mut batch, LONG).unwrap();
    let got: Vec<_> = batch.iter().map(|d| (d.bytes.to_vec(), d.source, d.truncated)).collect();
    let first = Some(sender.local_addr().unwrap());
    assert_eq!(
        got,
        [
            (b"a:1|c".to_vec(), first, false),
            (Vec::new(), first, false),
            (vec![0xff; 1500], Some(other.local_addr().unwrap()), false),
        ]
    );
    assert_eq!(batch.iter().len(), 3);
}

#[test]
fn nothing_within_the_timeout_is_an_empty_batch() {
    let (mut socket, sender) = bound(&Options::default());
    let mut batch = Batch::new();
    socket.recv_batch(&mut batch, Duration::ZERO).unwrap();
    assert!(batch.is_empty());

    // What a batch held before is gone, and a batch that received nothing is as good as a new one.
    sender.send(b"x").unwrap();
    socket.recv_batch(&mut batch, LONG).unwrap();
    assert_eq!(batch.len(), 1);
    socket.recv_batch(&mut batch, Duration::from_millis(1)).unwrap();
    assert!(batch.is_empty());
    sender.send(b"y").unwrap();
    socket.recv_batch(&mut batch, LONG).unwrap();
    assert_eq!(batch.iter().next().unwrap().bytes, b"y");
    assert_eq!(batch.iter().next().unwrap().source, Some(sender.local_addr().unwrap()));
}

#[test]
fn a_full_batch_then_the_rest_in_order() {
    let (mut socket, sender) = bound(&Options { recv_buffer: 1 << 20, ..Options::default() });
    let mut batch = Batch::new();
    let total = batch.capacity() + 1;
    for i in 0..total {
        sender.send(&i.to_le_bytes()).unwrap();
    }
    socket.recv_batch(&mut batch, LONG).unwrap();
    assert_eq!(batch.len(), batch.capacity());
    let first: Vec<_> = batch.iter().map(|d| d.bytes.to_vec()).collect();
    assert_eq!(first, (0..batch.capacity()).map(|i| i.to_le_bytes().to_vec()).collect::<Vec<_>>());
    socket.recv_batch(&mut batch, LONG).unwrap();
    assert_eq!(batch.len(), 1);
    assert_eq!(batch.iter().next().unwrap().bytes, (total - 1).to_le_bytes());
}

#[test]
fn the_largest_udp_payload_is_whole() {
    let (mut socket, sender) = bound(&Options { recv_buffer: 1 << 20, ..Options::default() });
    let payload: Vec<u8> = (0..65_507_u32).map(|i| i as u8).collect();
    sender.send(&payload).unwrap();
    sender.send(b"short").unwrap();
    assert_eq!(drain(&mut socket, &mut Batch::new()), [payload, b"short".to_vec()]);
}

#[test]
fn unix_datagrams_have_no_source_and_a_long_one_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statsd.sock");
    let mut socket =
        Socket::bind_unix(&path, &Options { recv_buffer: 1 << 20, ..Options::default() }).unwrap();
    assert_eq!(socket.local_addr().unwrap(), None);
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"a:1|c", &path).unwrap();
    sender.send_to(&vec![7; MAX_DATAGRAM + 1], &path).unwrap();
    // A sender with a path of its own: its long name is cut, not taken for an address.
    let named = UnixDatagram::bind(folder.path().join("a-rather-long-name-of-a-sender.sock")).unwrap();
    named.send_to(b"b:1|c", &path).unwrap();

    let mut batch = Batch::new();
    socket.recv_batch(&mut batch, LONG).unwrap();
    let got: Vec<_> = batch.iter().map(|d| (d.bytes.len(), d.source, d.truncated)).collect();
    assert_eq!(got, [(5, None, false), (MAX_DATAGRAM, None, true), (5, None, false)]);
}

#[test]
fn what_the_kernel_dropped_is_counted() {
    let (mut socket, sender) = bound(&Options { recv_buffer: 4096, ..Options::default() });
    let mut batch = Batch::new();
    let mut sent = 0_u64;
    let mut received = 0_u64;
    for _round in 0..3 {
        for _ in 0..500 {
            sender.send(&[b'x'; 100]).unwrap();
        }
        received += drain(&mut socket, &mut batch).len() as u64;
        // The count travels with the next datagram that gets through.
        sender.send(b"after").unwrap();
        received += drain(&mut socket, &mut batch).len() as u64;
        sent += 501;
        assert!(received < sent, "the buffer of {} bytes held everything", socket.recv_buffer());
        assert_eq!(socket.drops(), sent - received);
    }
}

#[test]
fn tells_the_buffer_that_was_granted() {
    let (socket, _) = bound(&Options { recv_buffer: 100_000, ..Options::default() });
    assert_eq!(socket.recv_buffer(), 200_000);
}

#[test]
fn a_dual_stack_socket_names_ipv4_senders_by_their_ipv4_address() {
    let options = Options { dual_stack: true, ..Options::default() };
    let Ok(mut socket) = Socket::bind("[::]:0".parse().unwrap(), &options) else {
        return; // a machine without IPv6
    };
    let port = socket.local_addr().unwrap().unwrap().port();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"a:1|c", ("127.0.0.1", port)).unwrap();
    let mut batch = Batch::new();
    socket.recv_batch(&mut batch, LONG).unwrap();
    assert_eq!(batch.iter().next().unwrap().source, Some(sender.local_addr().unwrap()));
}

#[test]
fn a_clone_receives_from_the_same_socket() {
    let (socket, sender) = bound(&Options::default());
    let mut clone = socket.try_clone().unwrap();
    drop(socket);
    sender.send(b"a:1|c").unwrap();
    assert_eq!(drain(&mut clone, &mut Batch::new()), [b"a:1|c".to_vec()]);
}

#[test]
fn an_address_in_use_is_an_error() {
    let (socket, _) = bound(&Options::default());
    let address = socket.local_addr().unwrap().unwrap();
    let error = Socket::bind(address, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
