//! How the receiver proves who it is, and how the server does: passwords of each kind, with TLS and without.

use mysql_async::prelude::Queryable as _;

use crate::collector::{Memory, Running};
use crate::database::{Kind, Server};

/// An account with these properties and the settings that go with it; `{folder}` is the server's. What it comes to: the
/// call is counted, or the state says this.
fn account(kind: Kind, name: &str, identified: &str, settings: &str, refused: Option<&str>) {
    let Some(server) = Server::shared(kind) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut conn = server.database(name).await;
        if identified.contains("ed25519") {
            conn.query_drop("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'").await.unwrap();
        }
        for sql in [
            "CREATE TABLE cdr (id INT AUTO_INCREMENT PRIMARY KEY, calldate DATETIME, duration INT, disposition VARCHAR(45), uniqueid VARCHAR(150))",
            "INSERT INTO cdr VALUES (NULL, UTC_TIMESTAMP(), 3, 'BUSY', '1795307195.0')",
        ] {
            conn.query_drop(sql).await.unwrap();
        }
        conn.query_drop(format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED {identified}")).await.unwrap();
        conn.query_drop(format!("GRANT SELECT ON {name}.* TO {name}@'127.0.0.1'")).await.unwrap();
    });
    let settings = format!(
        "endpoint: '127.0.0.1:{}'\ndatabase: {name}\nusername: {name}\ntimezone: UTC\nstart_at: beginning\npoll_interval: 30ms\n\
         settle: 50ms\ncollection_interval: 50ms\n{settings}\n",
        server.port
    );
    let settings = settings.replace("{folder}", server.folder.to_str().unwrap());
    // The second time the server may know the password already, which takes another way.
    for _ in 0..2 {
        let running = Running::start(&settings, &Memory::default());
        match refused {
            Some(said) => _ = running.wait_for_state(said),
            None => {
                let busy = "asterisk.cdr.calls{disposition=BUSY}";
                running.wait_for("the call", |shown| shown.get(busy) == Some(&1.0));
            }
        }
        running.stop();
    }
}

const NATIVE: &str = "BY 'geheim'";
const SHA2: &str = "WITH caching_sha2_password BY 'geheim'";
const ED25519: &str = "VIA ed25519 USING PASSWORD('geheim')";
const PLAIN: &str = "password: geheim";
const VERIFIED: &str = "password: geheim\ntls: {insecure: false, ca_file: '{folder}/ca.pem'}";

macro_rules! accounts {
    ($($name:ident: $kind:ident $identified:expr, $settings:expr, $refused:expr;)+) => {
        $(#[test]
        fn $name() {
            account(Kind::$kind, stringify!($name), &$identified, &$settings, $refused);
        })+
    };
}

accounts! {
    native: MariaDb NATIVE, PLAIN, None;
    native_tls: MariaDb format!("{NATIVE} REQUIRE SSL"), VERIFIED, None;
    native_client_certificate: MariaDb
        format!("{NATIVE} REQUIRE SUBJECT '/CN=client'"),
        "password: geheim\ntls: {insecure: false, ca_file: '{folder}/ca.pem', cert_file: '{folder}/client.pem', key_file: '{folder}/client.key'}",
        None;
    native_tls_is_required: MariaDb format!("{NATIVE} REQUIRE SSL"), PLAIN,
        Some("Access denied for user 'native_tls_is_required'@'127.0.0.1' (using password: YES) (error 1045)");
    ed25519: MariaDb ED25519, PLAIN, None;
    ed25519_tls: MariaDb format!("{ED25519} REQUIRE SSL"), VERIFIED, None;
    ed25519_wrong: MariaDb ED25519, "password: falsch",
        Some("Access denied for user 'ed25519_wrong'@'127.0.0.1' (using password: YES) (error 1045)");
    sha2_with_key_exchange: MySql SHA2, PLAIN, None;
    sha2_tls: MySql format!("{SHA2} REQUIRE SSL"), VERIFIED, None;
    sha2_wrong: MySql SHA2, "password: falsch",
        Some("Access denied for user 'sha2_wrong'@'127.0.0.1' (using password: YES) (error 1045)");
    not_verified: MySql format!("{SHA2} REQUIRE SSL"),
        "password: geheim\ntls: {insecure: false, insecure_skip_verify: true}", None;
    named_otherwise: MariaDb NATIVE,
        "password: geheim\ntls: {insecure: false, ca_file: '{folder}/ca.pem', server_name_override: db.example}",
        Some("connect: invalid peer certificate: certificate not valid for name \"db.example\"; certificate is only valid for IpAddress(127.0.0.1); check tls::ca_file and tls::server_name_override");
}

/// An authority that did not sign the server's certificate, of another name or of the same.
fn other_authority(kind: Kind, name: &str, identified: &str, authority: &str, refused: &str) {
    let folder = tempfile::tempdir().unwrap();
    crate::database::certificates(folder.path(), authority);
    let ca = folder.path().join("ca.pem");
    let settings = format!("password: geheim\ntls: {{insecure: false, ca_file: '{}'}}", ca.display());
    let refused = format!(
        "connect: invalid peer certificate: {refused}; check tls::ca_file and tls::server_name_override"
    );
    account(kind, name, identified, &settings, Some(&refused));
}

#[test]
fn mariadb_with_another_authority() {
    other_authority(Kind::MariaDb, "other_authority", NATIVE, "somebody", "UnknownIssuer");
}

#[test]
fn mysql_with_another_authority_of_the_same_name() {
    other_authority(Kind::MySql, "other_authority", SHA2, "authority", "BadSignature");
}
