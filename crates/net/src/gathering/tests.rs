//! The other end is written to from the test itself: what was sent over the loopback is there when the write returns, and the
//! paused clock moves only where a test moves it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::advance;

use super::*;

const PAUSE: Duration = Duration::from_millis(4);

async fn pair() -> (Gathering, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Gathering::new(stream, PAUSE), listener.accept().unwrap().0)
}

/// Counts how often a task would have run.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One look: what was read, `None` while there is nothing to read yet.
fn look(stream: &mut Gathering, wakes: &Arc<Wakes>) -> Option<Vec<u8>> {
    let mut bytes = [0; 64];
    let mut buf = ReadBuf::new(&mut bytes);
    let waker = Waker::from(Arc::clone(wakes));
    match Pin::new(stream).poll_read(&mut Context::from_waker(&waker), &mut buf) {
        Poll::Pending => None,
        Poll::Ready(read) => {
            read.unwrap();
            Some(buf.filled().to_vec())
        }
    }
}

/// Lets the runtime look at its sockets and its clock.
async fn turn() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_that_follow_a_read_are_read_together_and_wake_nobody() {
    let (mut stream, mut peer) = pair().await;
    let wakes = Arc::new(Wakes::default());
    peer.write_all(b"first").unwrap();
    let mut first = [0; 64];
    assert_eq!(stream.read(&mut first).await.unwrap(), 5); // it waits for no pause
    assert_eq!(look(&mut stream, &wakes), None);
    for piece in 0..10 {
        peer.write_all(&[piece]).unwrap();
    }
    turn().await;
    assert_eq!(look(&mut stream, &wakes), None);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    advance(PAUSE).await;
    turn().await;
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(look(&mut stream, &wakes), Some((0..10).collect()));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_is_watched_again() {
    let (mut stream, mut peer) = pair().await;
    let wakes = Arc::new(Wakes::default());
    peer.write_all(b"x").unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 1);
    advance(PAUSE).await;
    turn().await;
    // This look finds nothing: from here on no time wakes it, but the next piece does, without a pause.
    assert_eq!(look(&mut stream, &wakes), None);
    advance(Duration::from_secs(60)).await;
    turn().await;
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    peer.write_all(b"y").unwrap();
    let before = Instant::now();
    assert_eq!(stream.read_u8().await.unwrap(), b'y');
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn what_fills_the_buffer_is_read_on_without_a_pause() {
    let (mut stream, mut peer) = pair().await;
    peer.write_all(&[7; 1000]).unwrap();
    let wakes = Arc::new(Wakes::default());
    let before = Instant::now();
    stream.read_u8().await.unwrap();
    let mut rest = 999;
    while rest > 0 {
        rest -= look(&mut stream, &wakes).unwrap().len();
    }
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait() {
    let (mut stream, mut peer) = pair().await;
    let wakes = Arc::new(Wakes::default());
    peer.write_all(b"event").unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 5);
    assert_eq!(look(&mut stream, &wakes), None);
    stream.write_all(b"action").await.unwrap();
    peer.write_all(b"answer").unwrap();
    let before = Instant::now();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!((&answer, Instant::now()), (b"answer", before));
}

#[tokio::test(start_paused = true)]
async fn an_end_is_noticed_while_nobody_watches() {
    let (mut stream, mut peer) = pair().await;
    peer.write_all(b"last").unwrap();
    for left in [4, 0, 0] {
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), left);
        peer.shutdown(std::net::Shutdown::Write).unwrap();
    }
}
