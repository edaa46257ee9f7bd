//! Against a manager that behaves as Asterisk does.

use otelcol_net::config::ClientTls;
use otelcol_testkit::LogCapture;
use otelcol_testkit::ami::{FakeAsterisk, Manners, Transcript, World};

use super::*;
use crate::ami::config::Auth;

fn asterisk() -> FakeAsterisk {
    FakeAsterisk::start(World::new("asterisk22"), Manners::default())
}

#[tokio::test]
async fn a_session_from_login_to_logoff() {
    let (log, _guard) = LogCapture::start();
    let asterisk = asterisk();
    let link =
        Running::start(&config(&asterisk.endpoint()), &[List::Channels, List::Contacts, List::SipPeers]);
    link.wait_for("end SipPeers broken off").await;
    let call = Transcript::load("asterisk22", "dial_answered").events();
    asterisk.play(&call);
    link.wait_until("all events", |lines| {
        lines.iter().filter(|line| line.starts_with("event")).count() == call.len()
    })
    .await;
    let expected: Vec<String> = call.iter().map(|event| format!("event {}", event.event())).collect();
    let lines = link.lines();
    assert_eq!(lines[..2], ["up 11.0.0 \"22.10.1+dfsg+~cs6.17.60671434-1\" \"\"", "answer CoreSettings"]);
    assert_eq!(lines[lines.len() - call.len()..], expected);
    assert_eq!(lines.iter().filter(|line| *line == "row Contacts ContactList").count(), 5);
    assert_eq!((link.value("otelcol_ami_up", &[]), link.value("otelcol_ami_logins", &[])), (1, 1));
    let said = log.lines("INFO").into_iter().find(|line| line.starts_with("logged in")).unwrap();
    assert!(said.ends_with(" asterisk=22.10.1+dfsg+~cs6.17.60671434-1 ami=11.0.0"), "{said}");
    assert_eq!(link.status(), Status::Ok);

    link.stop().await;
    assert_eq!(link.lines().last().map(String::as_str), Some("down"));
    let actions: Vec<String> = asterisk.actions().iter().map(|action| action.get("Action")).collect();
    let expected = [
        "Challenge",
        "Login",
        "CoreSettings",
        "Events",
        "CoreStatus",
        "CoreShowChannels",
        "PJSIPShowContacts",
        "SIPpeers",
        "Logoff",
    ];
    assert_eq!(actions, expected);
    assert_eq!(asterisk.actions()[3].get("EventMask"), "call,agent");
    assert_eq!(asterisk.actions()[1].get("Secret"), "");
    assert_eq!(link.value("otelcol_ami_up", &[]), 0);
    assert!(link.recorder.lock().unwrap().flushes > 0);
}

#[tokio::test]
async fn the_password_is_sent_only_where_no_challenge_is_offered_or_as_asked() {
    let asterisk =
        FakeAsterisk::start(World::new("asterisk22"), Manners { challenge: false, ..Manners::default() });
    let link = Running::start(&config(&asterisk.endpoint()), &[]);
    link.wait_for("answer CoreStatus").await;
    assert_eq!(asterisk.actions()[1].get("Secret"), SECRET);
    link.stop().await;

    let plain = Config { auth: Auth::Plain, ..config(&asterisk.endpoint()) };
    let link = Running::start(&plain, &[]);
    link.wait_for("answer CoreStatus").await;
    link.stop().await;
    assert_eq!(asterisk.count("challenge"), 1);

    let md5 = Config { auth: Auth::Md5, ..config(&asterisk.endpoint()) };
    let link = Running::start(&md5, &[]);
    link.wait_for_failures("login_refused", 1).await;
    link.stop().await;
    assert_eq!(asterisk.logins(), 2);
}

#[tokio::test]
async fn a_refused_login_is_said_and_not_tried_again_for_long() {
    let (log, _guard) = LogCapture::start();
    let asterisk = asterisk();
    let wrong = Config { password: Opaque::from("wrong"), ..config(&asterisk.endpoint()) };
    let link = Running::start(&wrong, &[]);
    link.wait_for_failures("login_refused", 1).await;
    link.stop().await;
    assert_eq!((asterisk.connections(), asterisk.logins()), (1, 0));
    let error = &log.lines("ERROR")[0];
    assert!(error.starts_with("login to asterisk refused"), "{error}");
    assert!(error.contains("Authentication failed") && error.contains("manager.conf"), "{error}");
    assert!(!error.contains("wrong"), "{error}");
    let Status::Recoverable(why) = link.status() else { panic!("{:?}", link.status()) };
    assert!(why.starts_with(&format!("asterisk at {}: login refused", asterisk.endpoint())), "{why}");
    assert!(link.lines().is_empty());
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_reads_the_lists_again() {
    let asterisk = asterisk();
    let link = Running::start(&config(&asterisk.endpoint()), &[List::Channels]);
    link.wait_for("end Channels complete").await;
    let events = Transcript::load("asterisk22", "queue_connect_complete_by_caller").events();
    let middle = events.iter().rposition(|event| event.event() == "BridgeEnter").unwrap();
    asterisk.play(&events[..10]);
    asterisk.cut();
    asterisk.pass_unheard(&events[10..=middle]);
    link.wait_until("the second list", |lines| {
        lines.iter().filter(|line| *line == "end Channels complete").count() == 2
    })
    .await;
    let lines = link.lines();
    let down = lines.iter().position(|line| line == "down").unwrap();
    assert_eq!(lines[..down].iter().filter(|line| line.starts_with("event")).count(), 10);
    assert_eq!(lines[down..].iter().filter(|line| *line == "row Channels CoreShowChannel").count(), 2);
    assert_eq!((link.failures("lost"), link.value("otelcol_ami_logins", &[])), (1, 2));
    link.stop().await;
}

#[tokio::test]
async fn a_half_open_connection_is_noticed() {
    let asterisk =
        FakeAsterisk::start(World::new("asterisk22"), Manners { ignore: vec!["ping"], ..Manners::default() });
    let mut settings = config(&asterisk.endpoint());
    settings.keepalive.interval = short();
    settings.keepalive.timeout = short();
    let link = Running::start(&settings, &[]);
    link.wait_for_failures("silent", 1).await;
    assert!(asterisk.count("ping") >= 1);

    // One that answers is kept.
    asterisk.set_manners(|manners| manners.ignore.clear());
    let pings = asterisk.count("ping");
    asterisk.wait_until("pings", |asterisk| asterisk.count("ping") >= pings + 5).await;
    link.stop().await;
}

#[tokio::test]
async fn asterisk_shuts_down_and_comes_back() {
    let asterisk = asterisk();
    let link = Running::start(&config(&asterisk.endpoint()), &[List::Channels]);
    link.wait_for("end Channels complete").await;
    asterisk.play(&Transcript::load("asterisk22", "shutdown").events());
    asterisk.cut();
    link.wait_until("another list", |lines| {
        lines.iter().filter(|line| *line == "end Channels complete").count() == 2
    })
    .await;
    let lines = link.lines();
    let down = lines.iter().position(|line| line == "down").unwrap();
    assert_eq!(lines[down - 1], "event Shutdown");
    assert!(lines[down + 1].starts_with("up "));
    assert!(!lines[down..].iter().any(|line| line.starts_with("row")));
    link.stop().await;
}

#[tokio::test]
async fn asterisk_11_speaks_ami_1() {
    let manners = Manners { banner: b"Asterisk Call Manager/1.3\r\n".to_vec(), ..Manners::default() };
    let asterisk = FakeAsterisk::start(World::new("asterisk16"), manners);
    let link = Running::start(&config(&asterisk.endpoint()), &[List::SipPeers]);
    link.wait_for("end SipPeers complete").await;
    assert!(link.lines()[0].starts_with("up 1.3 "), "{:?}", link.lines());
    link.stop().await;
}

#[tokio::test]
async fn tls_is_checked_against_its_ca() {
    let (asterisk, ca) = FakeAsterisk::start_tls(World::new("asterisk22"), Manners::default());
    let tls = |ca: &str| ClientTls { ca_pem: Opaque::from(ca), ..ClientTls::default() };
    let secure = Config { tls: Some(tls(&ca)), ..config(&asterisk.endpoint()) };
    let link = Running::start(&secure, &[List::Endpoints]);
    link.wait_for("end Endpoints complete").await;
    assert_eq!(link.lines().iter().filter(|line| line.starts_with("row")).count(), 11);
    let calls = Transcript::load("asterisk22", "load_200_calls").events();
    asterisk.play(&calls);
    link.wait_until("all events", |lines| {
        lines.iter().filter(|line| line.starts_with("event")).count() == calls.len()
    })
    .await;
    let expected = calls.iter().map(|event| format!("event {}", event.event()));
    assert!(link.lines().into_iter().filter(|line| line.starts_with("event")).eq(expected));
    link.stop().await;

    let (_other, other_ca) = FakeAsterisk::start_tls(World::new("asterisk22"), Manners::default());
    let wrong = Config { tls: Some(tls(&other_ca)), ..config(&asterisk.endpoint()) };
    let link = Running::start(&wrong, &[]);
    link.wait_for_failures("connect", 1).await;
    link.stop().await;
}

#[tokio::test]
async fn nobody_listens_and_then_somebody_does() {
    // A port that was free a moment ago.
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (log, _guard) = LogCapture::start();
    let link = Running::start(&config(&endpoint), &[]);
    link.wait_for_failures("connect", 5).await;
    link.stop().await;
    // Said once, counted each time.
    assert_eq!(log.lines("WARN").len(), 1, "{:?}", log.lines("WARN"));
    assert!(log.lines("WARN")[0].contains("connection refused"), "{:?}", log.lines("WARN"));
}
