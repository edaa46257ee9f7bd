//! Opens the sockets.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use otelcol_pipeline::ComponentError;
use otelcol_udp::{Options, Socket};
use tokio::net::{TcpListener, lookup_host};

use super::config::Config;
use super::transport::Transport;

/// A bound socket with what it was bound by, so that a later instance knows whether it can go on with it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) kind: ListenerKind,
    bound_by: BoundBy,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
pub(super) enum ListenerKind {
    Datagram(Socket),
    Stream(TcpListener),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct BoundBy {
    transport: Transport,
    address: String,
    recv_buffer: usize,
    permissions: u32,
}

/// The file of a Unix socket, which goes away with it.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Goes on with `earlier` if the settings ask for the very same socket, else closes that and binds anew.
    ///
    /// # Errors
    /// The address or path that could not be bound, and why.
    pub(super) async fn open(
        config: &Config,
        transport: Transport,
        earlier: Option<Self>,
    ) -> Result<Self, ComponentError> {
        let address = config.address(transport).to_owned();
        let bound_by = BoundBy {
            transport,
            address,
            recv_buffer: config.recv_buffer(),
            permissions: config.socket_permissions,
        };
        match earlier {
            Some(earlier) if earlier.bound_by == bound_by => return Ok(earlier),
            // Closed before the new one is bound: it may be the same port with other options.
            other => drop(other),
        }
        let address = &bound_by.address;
        let failed = |error: &dyn std::fmt::Display| {
            ComponentError::new(format!(
                "starting to listen {} socket on {address}: {error}",
                transport.as_str()
            ))
        };
        let (kind, file) = match transport {
            Transport::UnixGram => {
                let (socket, file) = bind_unix(Path::new(address), config).map_err(|error| failed(&error))?;
                (ListenerKind::Datagram(socket), Some(file))
            }
            _ => {
                let address = with_host(address, transport);
                (bind_ip(&address, transport, config).await.map_err(|error| failed(&error))?, None)
            }
        };
        Ok(Self { kind, bound_by, _file: file })
    }

    /// The address that was bound; `None` for a Unix socket.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            ListenerKind::Datagram(socket) => socket.local_addr().ok().flatten(),
            ListenerKind::Stream(listener) => listener.local_addr().ok(),
        }
    }
}

/// `:8125` is every address of the machine, as in Go.
fn with_host(address: &str, transport: Transport) -> String {
    let host = match transport {
        _ if !address.starts_with(':') => "",
        Transport::Udp6 | Transport::Tcp6 => "[::]",
        _ => "0.0.0.0",
    };
    format!("{host}{address}")
}

async fn bind_ip(address: &str, transport: Transport, config: &Config) -> io::Result<ListenerKind> {
    let mut found: Vec<SocketAddr> =
        lookup_host(address).await?.filter(|found| transport.allows(*found)).collect();
    // Of a name with addresses of both families Go takes IPv4.
    found.sort_by_key(SocketAddr::is_ipv6);
    let Some(first) = found.first().copied() else {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("no address of the family that {} asks for", transport.as_str()),
        ));
    };
    // So that a sender that was told `localhost` is heard whichever of the two it takes.
    let both = matches!(transport, Transport::Udp | Transport::Tcp) && first.ip().is_unspecified();
    let wildcard = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), first.port());
    let bind = |address, dual_stack| bind_one(address, dual_stack, transport, config);
    if both {
        match bind(wildcard, true) {
            // A machine without IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    bind(first, false)
}

fn bind_one(
    address: SocketAddr,
    dual_stack: bool,
    transport: Transport,
    config: &Config,
) -> io::Result<ListenerKind> {
    if transport.is_stream() {
        // std binds IPv6 wildcards dual-stack unless net.ipv6.bindv6only says otherwise, and sets SO_REUSEADDR.
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        return Ok(ListenerKind::Stream(TcpListener::from_std(listener)?));
    }
    let options = Options { recv_buffer: config.recv_buffer(), dual_stack };
    Ok(ListenerKind::Datagram(Socket::bind(address, &options)?))
}

fn bind_unix(path: &Path, config: &Config) -> io::Result<(Socket, SocketFile)> {
    // Left by a process that did not end well. Anything but a socket is not ours to remove.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let options = Options { recv_buffer: config.recv_buffer(), dual_stack: false };
    let socket = Socket::bind_unix(path, &options)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.socket_permissions))?;
    Ok((socket, file))
}
