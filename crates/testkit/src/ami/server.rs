//! A manager that says what a test wants, and knows what it would list.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Message, World};
use crate::PATIENCE;

/// The section of manager.conf that a client logs in with.
pub const USERNAME: &str = "otel";
/// Its secret.
pub const SECRET: &str = "secret";

const CHALLENGE: &str = "191417987";

/// How a [`FakeAsterisk`] differs from a stock one.
#[derive(Debug, Clone)]
pub struct Manners {
    /// What comes first on a connection.
    pub banner: Vec<u8>,
    /// Whether a login by MD5 challenge is offered.
    pub challenge: bool,
    /// Answers to actions: action in lower case, and the message of the error. `login` refuses logins.
    pub refuse: Vec<(&'static str, &'static str)>,
    /// Actions that are never answered, in lower case.
    pub ignore: Vec<&'static str>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            banner: b"Asterisk Call Manager/11.0.0\r\n".to_vec(),
            challenge: true,
            refuse: Vec::new(),
            ignore: Vec::new(),
        }
    }
}

/// A manager on a free port of 127.0.0.1. Events go to every client that is logged in and has events on; actions are
/// answered from its [`World`] at that moment. It runs until it is dropped.
#[derive(Debug)]
pub struct FakeAsterisk {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    world: World,
    manners: Manners,
    sessions: Vec<Session>,
    actions: Vec<Message>,
    connections: usize,
    logins: usize,
}

#[derive(Debug)]
struct Session {
    number: usize,
    out: mpsc::UnboundedSender<Vec<u8>>,
    cut: CancellationToken,
    logged_in: bool,
    events: bool,
}

impl FakeAsterisk {
    /// Starts a manager over a world. Needs a tokio runtime.
    pub fn start(world: World, manners: Manners) -> Self {
        Self::serve(world, manners, None)
    }

    /// The same behind TLS, with a certificate for `localhost` and 127.0.0.1 that signs itself; returns it as PEM.
    ///
    /// # Panics
    /// The certificate can not be made.
    #[expect(clippy::expect_used, reason = "a test that can not serve has failed")]
    pub fn start_tls(world: World, manners: Manners) -> (Self, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        (Self::serve(world, manners, Some(TlsAcceptor::from(Arc::new(config)))), made.cert.pem())
    }

    #[expect(clippy::expect_used, reason = "a test that can not listen has failed")]
    fn serve(world: World, manners: Manners, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let addr = listener.local_addr().expect("the address bound to");
        let listener = TcpListener::from_std(listener).expect("a tokio runtime");
        let state =
            State { world, manners, sessions: Vec::new(), actions: Vec::new(), connections: 0, logins: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changes: watch::Sender::new(0) });
        let stop = CancellationToken::new();
        spawn(stop.clone(), accept(listener, tls, Arc::clone(&shared), stop.clone()));
        Self { addr, shared, _stop: stop.drop_guard() }
    }

    /// Where it listens, as `127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        self.addr.to_string()
    }

    /// These events happen, and whoever has events on is told.
    pub fn play(&self, events: &[Message]) {
        let mut state = self.shared.state();
        for event in events {
            state.world.apply(event);
            state.tell(&event.wire());
        }
    }

    /// These events happen and nobody is told.
    pub fn pass_unheard(&self, events: &[Message]) {
        let mut state = self.shared.state();
        for event in events {
            state.world.apply(event);
        }
    }

    /// Sends bytes to whoever has events on.
    pub fn send(&self, bytes: &[u8]) {
        self.shared.state().tell(bytes);
    }

    /// Closes all connections, once what was sent before is on its way.
    pub fn cut(&self) {
        let sessions = std::mem::take(&mut self.shared.state().sessions);
        // Their writers end when their channels do, and close.
        drop(sessions);
    }

    /// Resets all connections, with what may still be on its way.
    pub fn reset(&self) {
        for session in std::mem::take(&mut self.shared.state().sessions) {
            session.cut.cancel();
        }
    }

    /// Looks at the world, or changes it.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut self.shared.state().world)
    }

    /// Changes its manners from here on.
    pub fn set_manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.shared.state().manners);
    }

    /// The actions that were received, in order.
    pub fn actions(&self) -> Vec<Message> {
        self.shared.state().actions.clone()
    }

    /// How often an action was received; its name in lower case.
    pub fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|message| message.get("Action").to_lowercase() == action).count()
    }

    /// The connections that were accepted.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// The logins that were accepted.
    pub fn logins(&self) -> usize {
        self.shared.state().logins
    }

    /// How many clients have events on.
    pub fn listeners(&self) -> usize {
        self.shared.state().sessions.iter().filter(|session| session.events).count()
    }

    /// Waits until something is so; what it is about is asked again after each message that comes in.
    ///
    /// # Panics
    /// It is not so within [`PATIENCE`].
    pub async fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        let reached = async {
            while !is_so(self) {
                _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {what} within {PATIENCE:?}");
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }
}

impl State {
    fn tell(&self, bytes: &[u8]) {
        for session in self.sessions.iter().filter(|session| session.events) {
            // A client that is gone hears nothing.
            _ = session.out.send(bytes.to_vec());
        }
    }

    /// Takes an action of one client. True when it is the last.
    fn act(&mut self, number: usize, action: &Message) -> bool {
        self.actions.push(action.clone());
        let name = action.get("Action").to_lowercase();
        if self.manners.ignore.contains(&name.as_str()) {
            return false;
        }
        let Some(at) = self.sessions.iter().position(|session| session.number == number) else { return true };
        let refusal = self.manners.refuse.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why);
        let id = action.get("ActionID");
        let allowed = self.sessions[at].logged_in || matches!(name.as_str(), "login" | "challenge");
        let bytes = match (refusal, name.as_str()) {
            (Some(why), _) => error(&id, why),
            (None, _) if !allowed => error(&id, "Permission denied"),
            (None, "challenge") if !self.manners.challenge => error(&id, "Permission denied"),
            (None, "challenge") => success(&id, "Challenge", CHALLENGE),
            (None, "login") if !is_right(action) => error(&id, "Authentication failed"),
            (None, "login") => {
                self.logins += 1;
                self.sessions[at].logged_in = true;
                self.sessions[at].events = action.get("Events") != "off";
                success(&id, "Message", "Authentication accepted")
            }
            (None, "logoff") => {
                let farewell = format!(
                    "Response: Goodbye\r\nActionID: {id}\r\nMessage: Thanks for all the fish.\r\n\r\n"
                );
                farewell.into_bytes()
            }
            (None, "events") => {
                let on = action.get("EventMask") != "off";
                self.sessions[at].events = on;
                success(&id, "Events", if on { "On" } else { "Off" })
            }
            (None, _) => self.world.answer(action),
        };
        _ = self.sessions[at].out.send(bytes);
        let last = name == "logoff" || (name == "login" && !self.sessions[at].logged_in);
        if last {
            self.sessions.remove(at);
        }
        last
    }
}

fn is_right(login: &Message) -> bool {
    let key: String =
        Md5::digest(format!("{CHALLENGE}{SECRET}")).iter().map(|byte| format!("{byte:02x}")).collect();
    login.get("Username") == USERNAME && (login.get("Secret") == SECRET || login.get("Key") == key)
}

fn success(id: &str, key: &str, value: &str) -> Vec<u8> {
    format!("Response: Success\r\nActionID: {id}\r\n{key}: {value}\r\n\r\n").into_bytes()
}

fn error(id: &str, message: &str) -> Vec<u8> {
    format!("Response: Error\r\nActionID: {id}\r\nMessage: {message}\r\n\r\n").into_bytes()
}

fn spawn(stop: CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "a fake is no component")]
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (out, written) = mpsc::unbounded_channel();
        let cut = CancellationToken::new();
        let number = {
            let mut state = shared.state();
            let number = state.connections;
            state.connections += 1;
            _ = out.send(state.manners.banner.clone());
            state.sessions.push(Session { number, out, cut: cut.clone(), logged_in: false, events: false });
            number
        };
        shared.changed();
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        let session = async move {
            match tls {
                None => converse(stream, number, written, &shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, number, written, &shared).await;
                    }
                }
            }
            shared.state().sessions.retain(|session| session.number != number);
            shared.changed();
        };
        let stop = stop.clone();
        spawn(cut, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = session => {}
            }
        });
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite,
    number: usize,
    mut written: mpsc::UnboundedReceiver<Vec<u8>>,
    shared: &Shared,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let read = async {
        let mut held = Vec::new();
        while reader.read_buf(&mut held).await.is_ok_and(|bytes| bytes > 0) {
            while let Some(end) = memchr::memmem::find(&held, b"\r\n\r\n") {
                let mut bytes: Vec<u8> = held.drain(..end + 4).collect();
                bytes.truncate(end);
                let last = shared.state().act(number, &Message { bytes, at: 0 });
                shared.changed();
                if last {
                    return std::future::pending().await;
                }
            }
        }
    };
    let write = async {
        while let Some(bytes) = written.recv().await {
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        _ = writer.shutdown().await;
    };
    // Whichever ends first closes the connection.
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
