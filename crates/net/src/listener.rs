//! Listening sockets that outlive a reload.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A bound stream socket. Clones share it: a server that is replaced hands its socket on without losing a connection.
pub struct Listener {
    socket: Socket,
    endpoint: String,
}

pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<SocketFile>),
}

/// Removes the file of a unix socket when its last clone goes.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where a listener can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAddr {
    /// Address and port, the real one where port 0 was asked for.
    Tcp(SocketAddr),
    /// Path of the socket.
    Unix(PathBuf),
}

impl fmt::Display for LocalAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalAddr::Tcp(addr) => addr.fmt(f),
            LocalAddr::Unix(path) => path.display().fmt(f),
        }
    }
}

/// An endpoint could not be listened on. Reads as in Go: `listen tcp 0.0.0.0:4317: bind: address already in use`.
#[derive(Debug, thiserror::Error)]
#[error("listen {network} {endpoint}: {reason}")]
pub struct BindError {
    network: &'static str,
    endpoint: String,
    reason: String,
}

impl Listener {
    /// Binds `host:port`, `:port` (all addresses), `[v6]:port`, or `unix:/path`. Looks a host name up, which blocks.
    ///
    /// # Errors
    /// The endpoint is no address, or the system refuses it.
    pub fn bind(endpoint: &str) -> Result<Self, BindError> {
        match endpoint.strip_prefix("unix:") {
            Some(path) => Self::bind_unix(path.strip_prefix("//").unwrap_or(path)),
            None => Self::bind_tcp(endpoint, |_| true),
        }
    }

    /// The same where the file says `transport`: `tcp` or empty, `tcp4`, `tcp6`, `unix`.
    ///
    /// # Errors
    /// Also a transport this program does not have.
    pub fn bind_transport(transport: &str, endpoint: &str) -> Result<Self, BindError> {
        match transport {
            "" | "tcp" => Self::bind(endpoint),
            "tcp4" => Self::bind_tcp(endpoint, SocketAddr::is_ipv4),
            "tcp6" => Self::bind_tcp(endpoint, SocketAddr::is_ipv6),
            "unix" => Self::bind_unix(endpoint.strip_prefix("unix:").unwrap_or(endpoint)),
            other => Err(BindError {
                network: "tcp",
                endpoint: endpoint.to_owned(),
                reason: format!("unsupported transport type {other:?}, expected tcp, tcp4, tcp6 or unix"),
            }),
        }
    }

    fn bind_tcp(endpoint: &str, wanted: fn(&SocketAddr) -> bool) -> Result<Self, BindError> {
        let failed = |reason| BindError { network: "tcp", endpoint: endpoint.to_owned(), reason };
        let Some((host, port)) = endpoint.rsplit_once(':') else {
            return Err(failed("missing port in address, expected host:port".to_owned()));
        };
        let port: u16 = port.parse().map_err(|_| failed(format!("invalid port {port:?}")))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match host {
            // One IPv6 socket serves IPv4 too; where IPv6 is off, the second address is it.
            "" => vec![SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))],
            _ => (host, port).to_socket_addrs().map_err(|e| failed(describe(&e)))?.collect(),
        };
        let mut last = "no address of the wanted kind".to_owned();
        for address in addresses.iter().filter(|a| wanted(a)) {
            match TcpListener::bind(address).and_then(|s| s.set_nonblocking(true).map(|()| s)) {
                Ok(socket) => {
                    return Ok(Listener { socket: Socket::Tcp(socket), endpoint: endpoint.to_owned() });
                }
                Err(e) => {
                    last = format!("bind: {}", describe(&e));
                    if e.kind() == io::ErrorKind::AddrInUse {
                        break;
                    }
                }
            }
        }
        Err(failed(last))
    }

    fn bind_unix(path: &str) -> Result<Self, BindError> {
        let failed = |e: &io::Error| BindError {
            network: "unix",
            endpoint: path.to_owned(),
            reason: format!("bind: {}", describe(e)),
        };
        let socket = match UnixListener::bind(path) {
            // A file without a listener behind it is what a killed process leaves.
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_stale(Path::new(path)) => {
                std::fs::remove_file(path).and_then(|()| UnixListener::bind(path)).map_err(|e| failed(&e))?
            }
            other => other.map_err(|e| failed(&e))?,
        };
        socket.set_nonblocking(true).map_err(|e| failed(&e))?;
        let file = Arc::new(SocketFile(PathBuf::from(path)));
        Ok(Listener { socket: Socket::Unix(socket, file), endpoint: path.to_owned() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say, which does not happen to a bound socket.
    pub fn local_addr(&self) -> io::Result<LocalAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(LocalAddr::Tcp),
            Socket::Unix(_, file) => Ok(LocalAddr::Unix(file.0.clone())),
        }
    }

    /// A second handle on the same socket.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = match &self.socket {
            Socket::Tcp(socket) => Socket::Tcp(socket.try_clone()?),
            Socket::Unix(socket, file) => Socket::Unix(socket.try_clone()?, Arc::clone(file)),
        };
        Ok(Listener { socket, endpoint: self.endpoint.clone() })
    }

    /// The endpoint as it was written.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.endpoint).finish()
    }
}

fn is_stale(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
}

/// An error of the system in Go's words, without Rust's "(os error 98)".
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => return "cannot assign requested address".to_owned(),
        io::ErrorKind::NotFound => return "no such file or directory".to_owned(),
        _ => {}
    }
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    text.to_lowercase()
}

#[cfg(test)]
mod tests;
