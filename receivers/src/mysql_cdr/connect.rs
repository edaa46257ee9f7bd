//! The connection to the server: how it is made, what is set on it, how long to wait before the next attempt.

use std::path::PathBuf;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts};
use otelcol_net::config::ClientTls;

use super::config::{Address, Config};

/// Why the server cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub(super) enum DbError {
    /// The connection could not be made or broke.
    #[error("{address}: {reason}")]
    Connection {
        /// Where the server is.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The server refused.
    #[error("{address}: {what}: {reason}")]
    Refused {
        /// Where the server is.
        address: String,
        /// What was asked for.
        what: String,
        /// Its answer, and what to do about it.
        reason: String,
        /// Its number for it.
        code: u16,
    },
    /// A query took too long.
    #[error("{address}: {what}: no answer within {limit:?}; raise query_timeout or lower chunk_rows")]
    Timeout {
        /// Where the server is.
        address: String,
        /// What was asked for.
        what: String,
        /// `query_timeout`.
        limit: Duration,
    },
    /// The table is none that can be read.
    #[error("{0}")]
    Table(String),
}

impl DbError {
    /// Whether the connection is of no more use.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Connection { .. } | Self::Timeout { .. })
    }
}

/// Which server it is: they differ in a few statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    MariaDb,
    MySql,
}

/// A connection and what is known about its server.
#[derive(Debug)]
pub(super) struct Db {
    conn: Conn,
    /// Which server it is.
    pub(super) flavor: Flavor,
    /// Its version, as it says it.
    pub(super) version: String,
    address: String,
    timeout: Duration,
}

impl Db {
    /// Connects.
    ///
    /// # Errors
    /// Address, and what went wrong or was refused.
    pub(super) async fn connect(config: &Config) -> Result<Self, DbError> {
        let address = config.address().map_err(DbError::Table)?;
        let text = address.to_string();
        let broken = |reason: String| DbError::Connection { address: text.clone(), reason };
        let opts = options(config, &address).await.map_err(broken)?;
        let limit = config.connect_timeout.get();
        let conn = tokio::time::timeout(limit, Conn::new(opts))
            .await
            .map_err(|_| broken(format!("no connection within {limit:?}")))?
            .map_err(|error| explain(&text, "connect", error))?;
        let timeout = config.query_timeout.get();
        let mut db = Self { conn, flavor: Flavor::MySql, version: String::new(), address: text, timeout };
        let version: Option<String> = db.first("version", "SELECT VERSION()").await?;
        db.version = version.unwrap_or_default();
        if db.version.contains("MariaDB") {
            db.flavor = Flavor::MariaDb;
        }
        db.prepare_session().await?;
        Ok(db)
    }

    /// The server ends a query by itself, `timestamp` columns show UTC, and a zero date is no error.
    async fn prepare_session(&mut self) -> Result<(), DbError> {
        let limit = match self.flavor {
            Flavor::MariaDb => format!("max_statement_time={}", self.timeout.as_secs_f64()),
            Flavor::MySql => format!("max_execution_time={}", self.timeout.as_millis().max(1)),
        };
        let session = format!("SET time_zone='+00:00', sql_mode='', autocommit=1, SESSION {limit}");
        self.run("set up the session", &session).await?;
        if self.flavor == Flavor::MySql {
            // Else the server tells what it knew of a table a day ago. Before MySQL 8 it did not know of this.
            let fresh = self.run("set up the session", "SET SESSION information_schema_stats_expiry=0").await;
            if let Err(error) = fresh
                && error.ends_connection()
            {
                return Err(error);
            }
        }
        self.run("set up the session", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await
    }

    /// Runs a statement without a result.
    ///
    /// # Errors
    /// What the server said, or that it said nothing in time.
    pub(super) async fn run(&mut self, what: &str, sql: &str) -> Result<(), DbError> {
        let result = tokio::time::timeout(self.timeout, self.conn.query_drop(sql)).await;
        self.answer(what, result)
    }

    /// The first row of a query.
    ///
    /// # Errors
    /// What the server said, or that it said nothing in time.
    pub(super) async fn first<T>(&mut self, what: &str, sql: &str) -> Result<Option<T>, DbError>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        let result = tokio::time::timeout(self.timeout, self.conn.query_first(sql)).await;
        self.answer(what, result)
    }

    /// All rows of a query, read to the end before they are worked on.
    ///
    /// # Errors
    /// What the server said, or that it said nothing in time.
    pub(super) async fn rows<T>(&mut self, what: &str, sql: &str) -> Result<Vec<T>, DbError>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        let result = tokio::time::timeout(self.timeout, self.conn.query(sql)).await;
        self.answer(what, result)
    }

    fn answer<T>(
        &self,
        what: &str,
        result: Result<mysql_async::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, DbError> {
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(explain(&self.address, what, error)),
            Err(_) => Err(DbError::Timeout {
                address: self.address.clone(),
                what: what.to_owned(),
                limit: self.timeout,
            }),
        }
    }

    /// Says goodbye, so that the server does not count an aborted client.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.conn.disconnect()).await;
    }

    /// The server's number of this connection.
    pub(super) fn connection_id(&self) -> u32 {
        self.conn.id()
    }

    /// Gives the connection up for a stream of replication.
    pub(super) fn into_conn(self) -> Conn {
        self.conn
    }
}

async fn options(config: &Config, address: &Address) -> Result<Opts, String> {
    let password = if config.password_file.is_empty() {
        config.password.expose().to_owned()
    } else {
        let path = &config.password_file;
        let text = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| format!("read password_file {path}: {error}"))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    };
    let builder = OptsBuilder::default()
        .user(Some(config.username.clone()))
        .pass(Some(password))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .tcp_keepalive(Some(Duration::from_secs(30)));
    let builder = match address {
        Address::Unix(path) => builder.socket(Some(path.clone())),
        Address::Tcp(host, port) => {
            let encrypted = !config.tls.insecure || has_ca(&config.tls);
            let tls = if encrypted { Some(tls_options(&config.tls)?) } else { None };
            builder.ip_or_hostname(host.clone()).tcp_port(*port).ssl_opts(tls)
        }
    };
    Ok(builder.into())
}

/// otelcol's rule: `insecure` means nothing where a CA is given.
fn has_ca(tls: &ClientTls) -> bool {
    !tls.ca_file.is_empty() || !tls.ca_pem.expose().is_empty()
}

fn tls_options(tls: &ClientTls) -> Result<SslOpts, String> {
    let source = |file: &str, pem: &str| match (file.is_empty(), pem.is_empty()) {
        (true, true) => None,
        (true, false) => Some(pem.as_bytes().to_vec().into()),
        _ => Some(PathBuf::from(file).into()),
    };
    let mut roots = Vec::new();
    let given = source(&tls.ca_file, tls.ca_pem.expose());
    if given.is_none() || tls.include_system_ca_certs_pool {
        let system = rustls_native_certs::load_native_certs();
        roots.extend(system.certs.into_iter().map(|cert| cert.to_vec().into()));
        if roots.is_empty() && given.is_none() && !tls.insecure_skip_verify {
            return Err("no CA certificates found on this system: set tls::ca_file".to_owned());
        }
    }
    roots.extend(given);
    let identity =
        match (source(&tls.cert_file, tls.cert_pem.expose()), source(&tls.key_file, tls.key_pem.expose())) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(ClientIdentity::new(cert, key)),
            _ => return Err("tls: a certificate needs its key, and a key its certificate".to_owned()),
        };
    // Without any root the client refuses to begin, even where no certificate is looked at.
    let options = SslOpts::default()
        .with_disable_built_in_roots(!roots.is_empty())
        .with_root_certs(roots)
        .with_client_identity(identity)
        .with_danger_accept_invalid_certs(tls.insecure_skip_verify);
    Ok(match tls.server_name_override.as_str() {
        "" => options,
        name => options.with_danger_tls_hostname_override(Some(name.to_owned())),
    })
}

/// The cause, without the layers it came through.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// Puts an error into words that say what to do.
pub(super) fn explain(address: &str, what: &str, error: mysql_async::Error) -> DbError {
    let mysql_async::Error::Server(server) = error else {
        let cause = innermost(&error);
        let advice = if cause.starts_with("invalid peer certificate") {
            "; check tls::ca_file and tls::server_name_override"
        } else {
            ""
        };
        return DbError::Connection {
            address: address.to_owned(),
            reason: format!("{what}: {cause}{advice}"),
        };
    };
    let advice = match server.code {
        1045 | 1698 => "; check username and password, and from which host the account may connect",
        1044 | 1142 | 1143 => "; the account needs the GRANT that the README of mysql_cdr has",
        1049 => "; check `database`",
        1146 => "; check `table` and `database`",
        1227 => "; the account needs the right that is named",
        1317 | 1969 | 3024 => "; the server ended the query: raise query_timeout or lower chunk_rows",
        _ => "",
    };
    DbError::Refused {
        address: address.to_owned(),
        what: what.to_owned(),
        reason: format!("{} (error {}){advice}", server.message, server.code),
        code: server.code,
    }
}

/// The wait before the next attempt: longer each time.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    first: Duration,
}

const LONGEST: Duration = Duration::from_secs(60);

impl Backoff {
    pub(super) fn new(first: Duration) -> Self {
        let first = first.min(LONGEST);
        Self { next: first, first }
    }

    /// The next wait.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let waits: Vec<u64> = (0..8).map(|_| backoff.wait().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.wait().as_secs(), 1);
    }
}
