//! The program as a child process, senders, and the books.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use otelcol_net::config::{ClientTls, GrpcClientConfig};
use otelcol_net::{GrpcClient, Status};
use otelcol_testkit::{Ledger, OtlpGrpcSink, Tally};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PATIENCE: Duration = Duration::from_secs(60);

/// How the program is run.
pub(crate) enum Under {
    Nothing,
    /// No file may be larger, in bytes: a full disk that needs no rights.
    FileSize(u64),
    /// The storage is a file system of this size, in MiB.
    Tmpfs(u64),
    /// What the test says is in `/etc/hosts`, and no name server answers.
    OwnNames,
    /// Writes and syncs of files are tampered with, as `strace -e inject` takes it: `fdatasync:delay_exit=50000`.
    Disk(&'static [&'static str]),
    /// What it does to files is written down here, for [`Disk::read`](crate::unsynced::Disk::read).
    Recorded(PathBuf),
}

/// A bench on which the program is started again and again on the same disk.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    pub(crate) sink: OtlpGrpcSink,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) refused: Arc<AtomicU64>,
    config: String,
    log: Arc<Mutex<String>>,
}

impl Bench {
    /// `queue` are the settings of the sending queue, `more` comes before `service`, `processors` into the pipeline.
    pub(crate) fn new(queue: &str, more: &str, processors: &str) -> Self {
        Self::with_storage(queue, "fsync: false", more, processors)
    }

    /// The same with settings of the storage.
    pub(crate) fn with_storage(queue: &str, settings: &str, more: &str, processors: &str) -> Self {
        Self::with_config(|port, sink, storage| {
            format!(
                "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
             exporters:\n  otlp:\n    endpoint: '{sink}'\n    compression: none\n    tls: {{insecure: true}}\n    \
             sending_queue: {queue}\n    \
             retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 0}}\n\
             extensions:\n  file_storage: {{directory: '{storage}', {settings}}}\n{more}\n\
             service:\n  extensions: [file_storage]\n  \
             pipelines: {{traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n",
                sink = sink.addr(),
                storage = storage.display(),
            )
        })
    }

    /// `config` is given the port of the receiver, a backend, and a folder that outlives the program.
    pub(crate) fn with_config(config: impl FnOnce(u16, &OtlpGrpcSink, &Path) -> String) -> Self {
        // The port is looked for last: the backend could be given one that is only free for now.
        let (dir, sink, port) = (TempDir::new().unwrap(), OtlpGrpcSink::start(), free_port());
        let storage = dir.path().join("storage");
        std::fs::create_dir(&storage).unwrap();
        let config = config(port, &sink, &storage);
        std::fs::write(dir.path().join("config.yaml"), &config).unwrap();
        Self { dir, port, sink, ledger: Arc::default(), refused: Arc::default(), config, log: Arc::default() }
    }

    /// The same with something else in the configuration.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from} is not in\n{}", self.config);
        self.config = self.config.replace(from, to);
        std::fs::write(self.dir.path().join("config.yaml"), &self.config).unwrap();
        self
    }

    /// Puts something else into the configuration of the running program, and waits until it is in use.
    pub(crate) async fn reload(&self, program: &Program, from: &str, to: &str) {
        let taken = || self.log().matches("the new configuration is in use").count();
        let before = taken();
        self.begin_reload(program, from, to);
        self.until(|| taken() > before, "the new configuration is in use").await;
    }

    /// The same without waiting.
    pub(crate) fn begin_reload(&self, program: &Program, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from} is not in\n{}", self.config);
        std::fs::write(self.dir.path().join("config.yaml"), self.config.replace(from, to)).unwrap();
        kill_process(Pid::from_child(&program.0), Signal::HUP).unwrap();
    }

    /// Waits until nobody listens on the receiver's port.
    pub(crate) async fn until_closed(&self) {
        let end = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            assert!(Instant::now() < end, "the receiver still listens\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Names that are known from now on, as lines of `/etc/hosts`, with [`Under::OwnNames`].
    pub(crate) fn names(&self, hosts: &str) {
        // In place: the program has this file, whatever takes its name.
        std::fs::write(self.dir.path().join("hosts"), hosts).unwrap();
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// Starts the program and waits until it takes data.
    pub(crate) async fn start(&self, under: &Under) -> Program {
        let config = self.dir.path().join("config.yaml");
        let mut child = command(under, self.dir.path())
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, stderr) = (Arc::clone(&self.log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut program = Program(child);
        let end = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = program.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} with\n{}\n{}", self.config, self.log());
            assert!(Instant::now() < end, "did not start\n{}", self.log());
            sleep(Duration::from_millis(2)).await;
        }
        program
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn client(&self) -> GrpcClient {
        client(self.port)
    }

    /// Senders of requests with so many spans, over restarts, until told to stop.
    pub(crate) fn load(&self, senders: usize, spans: u64) -> Load {
        let done = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let (port, done) = (self.port, Arc::clone(&done));
            let (ledger, refused) = (Arc::clone(&self.ledger), Arc::clone(&self.refused));
            #[expect(clippy::disallowed_methods, reason = "load beside the program")]
            tokio::spawn(async move {
                let mut sender = client(port);
                while !done.load(Ordering::Relaxed) {
                    let Err(status) = offer(&sender, &ledger, spans).await else { continue };
                    refused.fetch_add(1, Ordering::Relaxed);
                    if status.retry_delay.is_none() {
                        // The program is gone. A new client does not wait before it tries the next one.
                        sender = client(port);
                    }
                    sleep(Duration::from_millis(3)).await;
                }
            })
        };
        Load { senders: (0..senders).map(one).collect(), done }
    }

    pub(crate) async fn wait_for_accepted(&self, more: usize) {
        let want = self.ledger.len() + more;
        self.until(|| self.ledger.len() >= want, "spans accepted").await;
    }

    pub(crate) async fn until(&self, is_so: impl Fn() -> bool, what: &str) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "did not come true: {what}\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.ledger.tally(&self.sink.batches())
    }
}

fn client(port: u16) -> GrpcClient {
    let tls = ClientTls { insecure: true, ..ClientTls::default() };
    let endpoint = format!("127.0.0.1:{port}");
    GrpcClient::new(&GrpcClientConfig { endpoint, tls, ..GrpcClientConfig::default() }).unwrap()
}

/// Sends one request; its spans are in the books where it was accepted.
pub(crate) async fn offer(client: &GrpcClient, ledger: &Ledger, spans: u64) -> Result<(), Status> {
    let (numbers, batch) = ledger.batch(spans);
    client.call(TRACES, batch.wire_chunks(), Duration::from_secs(10)).await?;
    ledger.accept(numbers);
    Ok(())
}

pub(crate) struct Load {
    senders: Vec<JoinHandle<()>>,
    done: Arc<AtomicBool>,
}

impl Load {
    pub(crate) async fn stop(self) {
        self.done.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
    }
}

/// The running program; killed when it is dropped.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and how it ends.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal();
        self.ended().await
    }

    /// SIGTERM.
    pub(crate) fn signal(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

    /// How it ends.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone where the test ended it.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn command(under: &Under, dir: &Path) -> Command {
    let program = env!("CARGO_BIN_EXE_otelcol-asterisk");
    let mut command = match under {
        Under::Nothing => return Command::new(program),
        Under::FileSize(bytes) => {
            let mut command = Command::new("sh");
            // Ignored, the signal becomes an error of the write.
            let script = "trap '' XFSZ; limit=$1; shift; exec prlimit --fsize=\"$limit\" \"$@\"";
            command.args(["-c", script, "sh", &bytes.to_string()]);
            command
        }
        Under::Tmpfs(mib) => {
            let mount = format!("mount -t tmpfs -o size={mib}m tmpfs storage");
            in_namespace(dir, &mount)
        }
        Under::OwnNames => {
            // Nobody listens there.
            std::fs::write(dir.join("resolv.conf"), "nameserver 127.9.9.9\noptions timeout:1 attempts:1\n")
                .unwrap();
            std::fs::write(dir.join("nsswitch.conf"), "hosts: files dns\n").unwrap();
            in_namespace(
                dir,
                "for file in hosts resolv.conf nsswitch.conf; do mount --bind $file /etc/$file || exit; done",
            )
        }
        Under::Disk(tampering) => {
            let mut command = traced("trace=pwrite64,fdatasync");
            command.args(["-qqq", "-o", "/dev/null"]);
            tampering.iter().for_each(|how| _ = command.arg("-e").arg(format!("inject={how}")));
            command
        }
        Under::Recorded(file) => {
            let mut command = traced(crate::unsynced::CALLS);
            command.args(["-y", "-s", "0", "-o"]).arg(file);
            command
        }
    };
    command.arg(program);
    command
}

/// Runs what follows under `strace`, which sees these system calls.
fn traced(calls: &str) -> Command {
    let mut command = Command::new("strace");
    // With -D the program is the child of this process, and strace its own.
    command.args(["-D", "-f", "--seccomp-bpf", "-e", calls]);
    command
}

/// Runs what follows after `script`, in `dir`, where this user is root and may mount.
fn in_namespace(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("cd \"$1\" && shift && {{ {script}; }} && exec \"$@\"");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(dir);
    command
}

/// Whether this user may mount a file system in a namespace of its own. What a machine of CI can not do is a failure.
pub(crate) fn can_mount() -> bool {
    let dir = TempDir::new().unwrap();
    let mut mount = Command::new("unshare");
    mount.args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs"]).arg(dir.path());
    is_possible(mount, "mount a tmpfs in a namespace of its own")
}

/// Whether this user may tamper with the system calls of a program.
pub(crate) fn can_trace() -> bool {
    let mut trace = traced("trace=pwrite64");
    trace.args(["-qqq", "-o", "/dev/null", "true"]);
    is_possible(trace, "run a program under strace")
}

#[expect(clippy::print_stdout, reason = "a skip is to be seen")]
fn is_possible(mut attempt: Command, what: &str) -> bool {
    let works = attempt.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("CI").is_none(), "this user can not {what}");
    if !works {
        println!("SKIPPED: this user can not {what}");
    }
    works
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
