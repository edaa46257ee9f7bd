//! Which sockets lines come from.

/// The values of `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Udp4,
    Udp6,
    Tcp,
    Tcp4,
    Tcp6,
    UnixGram,
}

impl Transport {
    /// Reads the setting, which otelcol takes in any case of letters.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "udp" => Self::Udp,
            "udp4" => Self::Udp4,
            "udp6" => Self::Udp6,
            "tcp" => Self::Tcp,
            "tcp4" => Self::Tcp4,
            "tcp6" => Self::Tcp6,
            "unixgram" => Self::UnixGram,
            _ => return None,
        })
    }

    /// The name in settings and in the label `transport` of self metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Udp4 => "udp4",
            Self::Udp6 => "udp6",
            Self::Tcp => "tcp",
            Self::Tcp4 => "tcp4",
            Self::Tcp6 => "tcp6",
            Self::UnixGram => "unixgram",
        }
    }

    /// Whether lines come over connections.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tcp4 | Self::Tcp6)
    }

    /// Whether only IPv4 or only IPv6 will do.
    pub(super) fn allows(self, address: std::net::SocketAddr) -> bool {
        match self {
            Self::Udp4 | Self::Tcp4 => address.is_ipv4(),
            Self::Udp6 | Self::Tcp6 => address.is_ipv6(),
            Self::Udp | Self::Tcp | Self::UnixGram => true,
        }
    }
}
