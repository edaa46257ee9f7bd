//! Settings of gRPC servers and clients.

use otelcol_confmap::GoDuration;
use serde::Deserialize;

use super::{GrpcServerAuthConfig, ServerTls};
use crate::dial::Address;

const MIB: usize = 1024 * 1024;

/// A gRPC server, after otelcol's `configgrpc.ServerConfig`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct GrpcServerConfig {
    /// `host:port`, `:port`, or a path where `transport` is `unix`. The component sets the default.
    pub endpoint: String,
    /// `tcp` (default), `tcp4`, `tcp6` or `unix`.
    pub transport: String,
    /// TLS; plain text where absent.
    pub tls: Option<ServerTls>,
    /// Largest message in MiB, before and after decompression. 0 means grpc's default of 4.
    pub max_recv_msg_size_mib: usize,
    /// Calls in progress on one connection; 0 means 256 (Go: no limit).
    pub max_concurrent_streams: u32,
    /// No effect here: sizes a buffer of the Go implementation.
    pub read_buffer_size: usize,
    /// No effect here: sizes a buffer of the Go implementation.
    pub write_buffer_size: usize,
    /// Pings and the age of connections.
    pub keepalive: Option<GrpcServerKeepalive>,
    /// Who may call; everybody where absent.
    pub auth: Option<GrpcServerAuthConfig>,
    /// Let the headers of a call travel with its data.
    pub include_metadata: bool,
}

impl Default for GrpcServerConfig {
    fn default() -> Self {
        GrpcServerConfig {
            endpoint: String::new(),
            transport: "tcp".to_owned(),
            tls: None,
            max_recv_msg_size_mib: 0,
            max_concurrent_streams: 0,
            read_buffer_size: 0,
            write_buffer_size: 0,
            keepalive: None,
            auth: None,
            include_metadata: false,
        }
    }
}

impl GrpcServerConfig {
    /// Largest message in bytes.
    pub fn max_message(&self) -> usize {
        let mib = if self.max_recv_msg_size_mib == 0 { 4 } else { self.max_recv_msg_size_mib };
        // A gRPC length is 32 bits wide.
        mib.saturating_mul(MIB).min(u32::MAX as usize)
    }
}

/// `keepalive` of a gRPC server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GrpcServerKeepalive {
    /// What the server does by itself.
    pub server_parameters: Option<KeepaliveServerParameters>,
    /// What otelcol demands of clients.
    pub enforcement_policy: Option<KeepaliveEnforcement>,
}

/// `keepalive.server_parameters`. Zero means grpc's default, which is no limit for the first three.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct KeepaliveServerParameters {
    /// Close a connection without calls after this long.
    pub max_connection_idle: GoDuration,
    /// Close a connection after this long, 10 % more or less, finishing its calls.
    pub max_connection_age: GoDuration,
    /// How long those calls may take. Zero: for ever.
    pub max_connection_age_grace: GoDuration,
    /// Ping the client this often. Zero: 2 h.
    pub time: GoDuration,
    /// Close the connection when a ping is not answered for this long. Zero: 20 s.
    pub timeout: GoDuration,
}

/// `keepalive.enforcement_policy`: accepted so that files load. Clients are never refused for pinging often here
/// (a ping costs some tens of nanoseconds); the server says so once when the section is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct KeepaliveEnforcement {
    /// No effect here.
    pub min_time: GoDuration,
    /// No effect here.
    pub permit_without_stream: bool,
}

/// Writes the settings of a component that is a gRPC client, flat as otelcol has them; `config/flat.rs` says why and
/// how.
#[macro_export]
macro_rules! grpc_client_config {
    ($($config:tt)*) => {
        $crate::flat_config! {
            $($config)*
            shared $crate::config::GrpcClientConfig {
                /// `host:port`, `http://host:port`, `https://host:port`, `dns:///host:port`,
                /// `passthrough:///host:port` or `unix:///path`.
                pub endpoint: String = String::new(),
                /// TLS; on unless `insecure`, as in otelcol.
                pub tls: $crate::config::ClientTls = Default::default(),
                /// Compression of requests: none, gzip, zstd, snappy or (here only) deflate.
                pub compression: $crate::Compression = $crate::Compression::None,
                /// Sent with each call.
                pub headers: $crate::config::Headers = Default::default(),
                /// Credentials for each call.
                pub auth: Option<$crate::config::ClientAuthConfig> = None,
                /// Pings.
                pub keepalive: Option<$crate::config::GrpcClientKeepalive> = Some(Default::default()),
                /// No effect here: sizes a buffer of the Go implementation.
                pub read_buffer_size: usize = 0,
                /// No effect here: sizes a buffer of the Go implementation.
                pub write_buffer_size: usize = 0,
                /// Let a call wait for a connection up to its deadline, instead of failing when the server can not be
                /// reached.
                pub wait_for_ready: bool = false,
                /// `round_robin` (default) or `pick_first`. One connection is kept, to the first address that answers.
                pub balancer_name: String = "round_robin".to_owned(),
                /// `:authority` to send instead of the endpoint's.
                pub authority: String = String::new(),
                /// User agent to send instead of the client's own.
                pub user_agent: String = String::new(),
            }
        }
    };
}

grpc_client_config! {
    /// A gRPC client, after otelcol's `configgrpc.ClientConfig`.
    pub struct GrpcClientConfig {}
}

impl GrpcClientConfig {
    /// What is wrong with the settings, whatever files and servers say: keys and reasons.
    pub fn issues(&self) -> Vec<(&'static str, String)> {
        let mut issues = Vec::new();
        if let Err(error) = Address::of_grpc(&self.endpoint) {
            issues.push(("endpoint", error.to_string()));
        }
        if !matches!(self.balancer_name.as_str(), "" | "round_robin" | "pick_first") {
            let found = &self.balancer_name;
            let message = format!("invalid balancer_name: {found}, expected round_robin or pick_first");
            issues.push(("balancer_name", message));
        }
        if self.compression.for_grpc().is_none() {
            let found = self.compression.name();
            issues.push(("compression", format!("unsupported compression type {found:?} for gRPC")));
        }
        issues
    }
}

/// `keepalive` of a gRPC client.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct GrpcClientKeepalive {
    /// Ping when nothing came back for this long. At least 10 s, as in grpc-go.
    pub time: GoDuration,
    /// Close the connection when a ping is not answered for this long.
    pub timeout: GoDuration,
    /// Ping also while no call is waiting.
    pub permit_without_stream: bool,
}

impl Default for GrpcClientKeepalive {
    fn default() -> Self {
        GrpcClientKeepalive {
            time: GoDuration::from_secs(10),
            timeout: GoDuration::from_secs(10),
            permit_without_stream: false,
        }
    }
}
