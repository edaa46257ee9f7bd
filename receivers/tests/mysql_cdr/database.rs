//! Servers, and tables as Asterisk makes them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Params, Value};
use otelcol_testkit::csv_fields;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    /// Of a newer release.
    NewerMariaDb,
    MySql,
}

/// A server that ends with this process.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) socket: String,
    /// Holds `ca.pem`, which signed the server's certificate for 127.0.0.1, and `client.pem` and `client.key`.
    pub(crate) folder: PathBuf,
    process: Mutex<(Child, BufReader<ChildStdout>)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Writes the certificate of an authority of this name, and what it signed for the server and for a client.
pub(crate) fn certificates(folder: &Path, name: &str) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

impl Server {
    /// A server of its own.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        // The server is no root and has to reach its folder, and a socket's path must be short.
        let folder = tempfile::Builder::new().prefix("cdr").tempdir().unwrap().keep();
        certificates(&folder, "authority");
        let name = match kind {
            Kind::MariaDb => "mariadb",
            Kind::NewerMariaDb => "newer-mariadb",
            Kind::MySql => "mysql",
        };
        let mut child = Command::new("python3")
            .arg(root().join("tests/real/mysql/server.py"))
            .args(["run", name])
            .arg(&folder)
            .args(["ca=ca.pem", "cert=server.pem", "key=server.key"].map(|option| {
                let (key, file) = option.split_once('=').unwrap();
                format!("--ssl-{key}={}", folder.join(file).display())
            }))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let Some((port, socket)) = place(&mut lines) else {
            child.wait().unwrap();
            assert!(std::env::var_os("CI").is_none(), "no {name}");
            println!("skipped: no {name}");
            return None;
        };
        Some(Self { port, socket, folder, process: Mutex::new((child, lines)) })
    }

    /// The server that tests of this process share.
    pub(crate) fn shared(kind: Kind) -> Option<&'static Self> {
        static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
        static NEWER_MARIADB: OnceLock<Option<Server>> = OnceLock::new();
        static MYSQL: OnceLock<Option<Server>> = OnceLock::new();
        let place = match kind {
            Kind::MariaDb => &MARIADB,
            Kind::NewerMariaDb => &NEWER_MARIADB,
            Kind::MySql => &MYSQL,
        };
        place.get_or_init(|| Self::start(kind)).as_ref()
    }

    /// `stop`, `kill` or `start`.
    pub(crate) fn order(&self, order: &str) {
        let mut process = self.process.lock().unwrap();
        let (child, lines) = &mut *process;
        writeln!(child.stdin.as_mut().unwrap(), "{order}").unwrap();
        if order == "start" {
            place(lines).unwrap();
        } else {
            lines.read_line(&mut String::new()).unwrap();
        }
    }

    /// A connection with all rights.
    pub(crate) async fn conn(&self, database: Option<&str>) -> Conn {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .db_name(database)
            .stmt_cache_size(Some(8))
            .prefer_socket(false);
        Conn::new(opts).await.unwrap()
    }

    /// A new database.
    pub(crate) async fn database(&self, name: &str) -> Conn {
        let mut conn = self.conn(None).await;
        conn.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        conn.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        conn.query_drop(format!("USE {name}")).await.unwrap();
        conn
    }
}

fn place(lines: &mut impl std::io::BufRead) -> Option<(u16, String)> {
    let mut of = |key: &str| {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        line.trim().strip_prefix(key).map(str::to_owned)
    };
    of("PID=")?;
    let port = of("PORT=")?.parse().ok()?;
    Some((port, of("SOCKET=")?))
}

/// A captured table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Its columns.
    pub(crate) columns: Vec<String>,
    /// Its rows, in the order in which they were written.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

pub(crate) fn testdata(name: &str) -> String {
    std::fs::read_to_string(root().join("receivers/src/mysql_cdr/testdata").join(name)).unwrap()
}

impl Captured {
    pub(crate) fn read(name: &str) -> Self {
        let text = testdata(&format!("{name}.csv"));
        let mut lines = text.lines().map(csv_fields);
        let columns = lines.next().unwrap();
        let null = |field: String| (field != "NULL").then_some(field);
        Self { columns, rows: lines.map(|line| line.into_iter().map(null).collect()).collect() }
    }

    /// Makes an empty table of this shape; `more` is put before its first column.
    pub(crate) async fn create(&self, conn: &mut Conn, table: &str, more: &str, end: &str) {
        let shape = if self.columns.contains(&"linkedid".to_owned()) { "cdr_alembic" } else { "cdr" };
        let schema = testdata("schema.sql");
        let begin = format!("CREATE TABLE `{shape}` (");
        let (_, rest) = schema.split_once(&begin).unwrap();
        let (columns, _) = rest.split_once(") ENGINE").unwrap();
        conn.query_drop(format!("CREATE TABLE `{table}` ({more} {columns}) {end}")).await.unwrap();
    }

    /// The rows of each call, which stand beside each other in all captures.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &[Vec<Option<String>>]> {
        let place = |name: &str| self.columns.iter().position(|column| column == name);
        let id = place("linkedid").or_else(|| place("uniqueid")).unwrap();
        self.rows.chunk_by(move |a, b| a[id] == b[id])
    }

    /// Writes the rows of a call in one transaction, so that they are seen together.
    pub(crate) async fn insert_call(&self, conn: &mut Conn, table: &str, rows: &[Vec<Option<String>>]) {
        conn.query_drop("BEGIN").await.unwrap();
        for row in rows {
            self.insert(conn, table, row).await;
        }
        conn.query_drop("COMMIT").await.unwrap();
    }

    /// Writes a row.
    pub(crate) async fn insert(&self, conn: &mut Conn, table: &str, row: &[Option<String>]) {
        let columns = self.columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(",");
        let marks = vec!["?"; row.len()].join(",");
        let values = row.iter().map(|value| value.as_deref().map_or(Value::NULL, Value::from)).collect();
        conn.exec_drop(
            format!("INSERT INTO `{table}` ({columns}) VALUES ({marks})"),
            Params::Positional(values),
        )
        .await
        .unwrap();
    }
}
