use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// Counts the writes that reach the socket.
struct Counting {
    socket: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes));
        self.writes.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

fn counting(capacity: usize) -> (Bundled<Counting>, DuplexStream, Arc<AtomicUsize>) {
    let (socket, other) = duplex(capacity);
    let writes = Arc::new(AtomicUsize::new(0));
    (Bundled::new(Counting { socket, writes: Arc::clone(&writes) }), other, writes)
}

#[tokio::test]
async fn what_is_written_and_flushed_in_one_turn_is_one_write() {
    let (bundled, mut other, writes) = counting(1024 * 1024);
    let handle = bundled.handle();
    let connection = async move {
        let mut bundled = bundled;
        for frame in 0..6_u8 {
            bundled.write_all(&[frame; 16 * 1024]).await?;
            bundled.flush().await?;
        }
        // An answer ends the connection: it is only sent to what has arrived.
        bundled.read_u8().await.map(drop)
    };
    let answer = async {
        let mut came = vec![0; 6 * 16 * 1024];
        other.read_exact(&mut came).await.unwrap();
        other.write_u8(1).await.unwrap();
        came
    };
    let (ended, came) = tokio::join!(handle.drive(connection), answer);
    ended.unwrap();
    let sent: Vec<u8> = (0..6_u8).flat_map(|frame| [frame; 16 * 1024]).collect();
    assert_eq!(came, sent);
    assert_eq!(writes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn all_arrives_in_order_through_a_socket_that_takes_little() {
    let (bundled, mut other, _) = counting(1000);
    let handle = bundled.handle();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let bytes = sent.clone();
    let connection = async move {
        let mut bundled = bundled;
        for part in bytes.chunks(16 * 1024 + 9) {
            bundled.write_all(part).await?;
            assert!(bundled.writes().waiting.len() < 2 * ENOUGH, "what waits is bounded");
            bundled.flush().await?;
        }
        bundled.shutdown().await
    };
    let mut came = Vec::new();
    let (ended, read) = tokio::join!(handle.drive(connection), other.read_to_end(&mut came));
    ended.unwrap();
    read.unwrap();
    assert!(came == sent, "{} of {} bytes, or others", came.len(), sent.len());
}

#[tokio::test]
async fn a_connection_whose_other_end_is_gone_ends() {
    let (bundled, other, _) = counting(1000);
    drop(other);
    let handle = bundled.handle();
    let connection = async move {
        let mut bundled = bundled;
        bundled.write_all(b"hello").await?;
        std::future::pending().await
    };
    let ended = handle.drive(connection).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
