use std::time::Duration;

use http::HeaderValue;
use otelcol_confmap::{Opaque, Resolver};
use otelcol_net::Code;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use otelcol_testkit::LogCapture;

use super::*;
use hash::Hash;

/// Each made by another program than this: openssl passwd, crypt(3), Python's hashlib.
const HASHES: [(&str, &str); 13] = [
    ("correct horse", "$apr1$abcdefgh$sIQmFnT1CuEXAsyjuXjUX/"),
    ("correct horse", "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80"),
    ("correct horse", "$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB"),
    (
        "correct horse",
        "$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG.",
    ),
    (
        "correct horse",
        "$6$rounds=1234$0123456789abcdef$yJKAU.GCgxQxo9NIHthYvSOZlwcGg6tBNIwD1wtfwrQJ8ZAMotNBlAVg1rHuHueFD9A/6OxeAnDolLXIH.xSz1",
    ),
    ("a", "$apr1$xy$T6yk43HTfQwCY.mtbxwJ8/"),
    ("a-password-that-is-longer-than-sixteen-bytes", "$apr1$12345678$F9vnh2MxG48.5rVC4Cjkj."),
    ("correct horse", "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="),
    ("correct horse", "{SSHA}LhKrkM9Fy+zlstjdD7Kv2s6QvhBzYWx0"),
    ("correct horse", "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"),
    ("correct horse", "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"),
    ("correct horse", "correct horse"),
    ("correct horse", "{PLAIN}correct horse"),
];

#[test]
fn every_form_of_htpasswd_knows_its_password_and_no_other() {
    for (password, text) in HASHES {
        let hash = Hash::parse(text).unwrap();
        assert!(hash.matches(password), "{text}");
        for wrong in ["", "Correct horse", "correct horse ", "correct hors"] {
            assert!(!hash.matches(wrong), "{text} {wrong:?}");
        }
    }
    for broken in
        ["$apr1$nothing", "{SHA}short", "{SHA}!", "{SSHA}AAAA", "$2y$04$short", "$5$", "$6$rounds=x$a$b"]
    {
        assert!(Hash::parse(broken).is_none(), "{broken}");
    }
    for odd in ["$5$a$b", "$6$rounds=1$a$", "$apr1$$"] {
        assert!(!Hash::parse(odd).unwrap().matches(""), "{odd}");
    }
}

fn server(file: &str, inline: &str) -> Server {
    Server(Users::new(&Htpasswd { file: file.to_owned(), inline: Opaque::from(inline) }))
}

async fn answer(server: &Server, header: &str) -> Result<AuthAttributes, String> {
    let value = HeaderValue::from_str(header).unwrap();
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    server.authenticate(&headers).await.map_err(|refused| {
        assert_eq!(refused.code, Code::Unauthenticated);
        refused.message
    })
}

fn login(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn users_are_let_in_with_their_password() {
    let server = server("", "alice:{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=\n\n bob:b:c \n");
    let alice = answer(&server, &login("alice", "correct horse")).await.unwrap();
    assert_eq!(alice["username"], "alice");
    assert_eq!(alice["raw"], STANDARD.encode("alice:correct horse"));
    assert!(answer(&server, &login("bob", "b:c")).await.is_ok());
    assert!(answer(&server, &login("bob", "b:c").replace("Basic", "basic")).await.is_ok());
    for (header, message) in [
        (login("alice", "wrong"), "invalid credentials"),
        (login("carol", "b:c"), "invalid credentials"),
        (login("", ""), "invalid credentials"),
        ("Bearer x".to_owned(), "invalid authorization scheme prefix"),
        ("Basic".to_owned(), "invalid authorization scheme prefix"),
        ("Basic !".to_owned(), "invalid authorization format"),
        (format!("Basic {}", STANDARD.encode("nocolon")), "invalid authorization format"),
        (String::new(), "no basic auth provided"),
    ] {
        assert_eq!(answer(&server, &header).await.unwrap_err(), message, "{header}");
    }
}

#[tokio::test]
async fn a_password_that_was_compared_is_known_until_it_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let slow = "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
    std::fs::write(&path, format!("alice:{slow}\nbob:one")).unwrap();
    let server = server(path.to_str().unwrap(), "bob:two");
    server.start(&Host::default()).await.unwrap();
    for _ in 0..2 {
        assert!(answer(&server, &login("alice", "correct horse")).await.is_ok());
        assert_eq!(answer(&server, &login("alice", "wrong")).await.unwrap_err(), "invalid credentials");
    }
    assert!(answer(&server, &login("bob", "two")).await.is_ok(), "inline wins");
    assert!(answer(&server, &login("bob", "one")).await.is_err());

    std::fs::write(&path, "alice:$apr1$xy$T6yk43HTfQwCY.mtbxwJ8/").unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert!(answer(&server, &login("alice", "correct horse")).await.is_err(), "the old password");
    assert!(answer(&server, &login("alice", "a")).await.is_ok());
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_does_not_pile_up() {
    let slow = "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
    let server = server("", &format!("alice:{slow}"));
    let codes = futures_util::future::join_all((0..200).map(|n| {
        let (server, password) = (&server, n.to_string());
        async move { server.0.check("alice", &password).await.unwrap_err().code }
    }));
    let codes = codes.await;
    let count = |code| codes.iter().filter(|found| **found == code).count();
    assert!(count(Code::Unavailable) >= 100, "{codes:?}");
    assert_eq!(count(Code::Unavailable) + count(Code::Unauthenticated), 200);
    assert!(server.0.check("alice", "correct horse").await.is_ok());
}

#[tokio::test]
async fn a_line_that_is_no_user_is_told_by_its_number_alone() {
    let (log, _guard) = LogCapture::start();
    let server = server("", "alice:a\ns3cret\nbob:{SHA}s3cret");
    server.start(&Host::default()).await.unwrap();
    let lines = log.lines("WARN");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("place=inline line=2"), "{lines:?}");
    assert!(!lines.concat().contains("s3cret"));
    assert!(answer(&server, &login("bob", "{SHA}s3cret")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_sends_its_login_and_reads_its_files_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let sender = Sender {
        username: Value::new("Aladdin", ""),
        password: Value::new("ignored", path.to_str().unwrap()),
    };
    assert!(sender.start(&Host::default()).await.unwrap_err().to_string().starts_with("failed to read "));
    std::fs::write(&path, "open sesame\n").unwrap();
    sender.start(&Host::default()).await.unwrap();
    let mut headers = HeaderMap::new();
    sender.apply(&mut headers, None).unwrap();
    // RFC 7617 2.
    assert_eq!(headers["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(headers["authorization"].is_sensitive());
    std::fs::write(&path, "other").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    sender.apply(&mut headers, None).unwrap();
    assert_eq!(headers["authorization"], format!("Basic {}", STANDARD.encode("Aladdin:other")));
}

fn config(yaml: &str) -> Config {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap();
    resolved.root.decode("basicauth").unwrap()
}

#[test]
fn settings_that_can_not_be_are_told_and_secrets_never() {
    for (yaml, key, text) in [
        ("{}", "", "no credential source provided"),
        ("htpasswd: {}", "htpasswd", "no credential source provided"),
        (
            "{htpasswd: {file: a}, client_auth: {username: a}}",
            "",
            "only one of `htpasswd` or `client_auth` can be specified",
        ),
        ("client_auth: {username: 'a:b'}", "client_auth::username", "a user name can not hold a colon"),
    ] {
        assert_eq!(config(yaml).validate(), [ConfigIssue::new(key, text)], "{yaml}");
    }
    let secrets = config("{htpasswd: {inline: 'a:s3cret'}, client_auth: {password: s3cret}}");
    assert!(!format!("{secrets:?}").contains("s3cret"));
}
