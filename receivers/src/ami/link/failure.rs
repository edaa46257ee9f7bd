//! Why there is no connection.

use std::fmt;
use std::time::Duration;

/// Why a connection could not be made, or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answers, or the TLS handshake failed; the text names the address.
    Connect(String),
    /// It took too long; what, and how long.
    Timeout(&'static str, Duration),
    /// What answers is no manager.
    NoManager(String),
    /// The login was refused, with Asterisk's reason.
    Refused(String),
    /// The connection broke.
    Lost(String),
    /// Asterisk said nothing for so long, not even to a ping.
    Silent(Duration),
}

impl Failure {
    /// All values of [`Failure::reason`].
    pub(super) const REASONS: [&'static str; 6] =
        ["connect", "timeout", "no_manager", "login_refused", "lost", "silent"];

    /// The label of the self metric.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Timeout(..) => "timeout",
            Self::NoManager(_) => "no_manager",
            Self::Refused(_) => "login_refused",
            Self::Lost(_) => "lost",
            Self::Silent(_) => "silent",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => f.write_str(error),
            Self::Timeout(what, after) => write!(f, "{what} took longer than {after:?}"),
            Self::NoManager(found) => write!(f, "no asterisk manager: {found}"),
            Self::Refused(why) => write!(
                f,
                "login refused: {why:?}: check username and password against manager.conf, and its permit and deny lines"
            ),
            Self::Lost(why) => write!(f, "connection lost: {why}"),
            Self::Silent(after) => {
                write!(f, "connection lost: no message for {after:?}, nor an answer to a ping")
            }
        }
    }
}
