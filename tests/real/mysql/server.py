#!/usr/bin/env python3
"""A private database server for tests: MariaDB of this system, or MariaDB or MySQL of a newer Debian suite, unpacked once. With
MARIADB_SUITE=sid the first is the second.

  server.py start KIND DIR [OPTION...]   starts one in DIR, anew if DIR had one before
  server.py stop DIR                     ends it in an orderly way
  server.py run KIND DIR [OPTION...]     starts one, obeys lines on standard input (stop, kill, start), answers each with a
                                         line, and at the end of input kills it and removes DIR
  server.py fetch KIND                   only makes the program available

KIND is mariadb, newer-mariadb or mysql.

`start` prints PID=, PORT= (of 127.0.0.1) and SOCKET= when connections are taken. The account root has no password. The
data stays in DIR, and so does the port. OPTIONs go to the server. It runs as whoever starts it; no service is installed.
"""

import fcntl
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "asterisk"))
from asterisk import Apt, NotAvailable, cache  # noqa: E402

SUITE = "sid"
PATIENCE = 60
# A server that is started by root wants to hear that it is meant to run as root.
COMMON = [
    f"--user={pwd.getpwuid(os.geteuid()).pw_name}",
    "--bind-address=127.0.0.1", "--skip-name-resolve", "--server-id=1", "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--character-set-server=utf8mb4",
]


def unpack_once(folder, unpack):
    """Fills a folder of the cache, unless that was done before or another process does it now."""
    if (folder / "done").exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            unpack(folder)
            (folder / "done").touch()


class MariaDb:
    """Debian's own package; its tools run as they are. The plugin of ed25519 passwords comes in a package of its own."""

    plugins = cache() / "mariadb-plugins"

    def fetch(self):
        if not shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin"):
            if os.geteuid() == 0 and shutil.which("apt-get"):
                subprocess.run(["apt-get", "-qq", "update"], check=True, stdout=sys.stderr)
                install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends"]
                subprocess.run([*install, "mariadb-server-core", "mariadb-client-core"], check=True, stdout=sys.stderr)
            else:
                raise NotAvailable("no mariadbd: install mariadb-server-core and mariadb-client-core")
        unpack_once(MariaDb.plugins, self._unpack)

    @staticmethod
    def _unpack(folder):
        subprocess.run(["apt-get", "-qq", "download", "mariadb-server"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        subprocess.run("dpkg-deb --fsys-tarfile *.deb | tar -x --wildcards '*/plugin/auth_ed25519.so' && rm *.deb", shell=True,
                       cwd=folder, check=True)

    def prepare(self, folder, data):
        run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve",
             "--auth-root-authentication-method=normal", COMMON[0]], folder)

    def program(self):
        return [shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin")]

    def command(self, data):
        return [*self.program(), "--no-defaults", f"--datadir={data}", f"--log-bin={data}/binlog", "--binlog-format=ROW",
                "--performance-schema=OFF", f"--plugin-dir={self.plugins}/usr/lib/mysql/plugin"]


class Unpacked:
    """Packages of another suite, with the libraries that they were built for."""

    def __init__(self, name, *more):
        self.root = cache() / f"{name}-{SUITE}"
        self.packages = (f"{name}-server-core", *more)

    def unpack(self, folder):
        apt = Apt(folder / "apt", SUITE)
        apt.download([name for name in apt.closure(self.packages[0]) if not name.startswith("perl")])
        apt.download(self.packages[1:])
        for package in sorted(apt.packages.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        shutil.rmtree(apt.folder)

    def fetch(self):
        unpack_once(self.root, self.unpack)

    def program(self, name):
        """The command that runs one."""
        libraries = glob.glob(f"{self.root}/usr/lib/*-linux-gnu")[0]
        loader = glob.glob(f"{libraries}/ld-linux-*.so.*")[0]
        return [loader, "--library-path", f"{libraries}:{libraries}/mysql/private", str(self.root / "usr/sbin" / name)]


class NewerMariaDb(MariaDb):
    """Takes over what this system's has prepared, as after an upgrade."""

    unpacked = Unpacked("mariadb", "mariadb-server")
    plugins = unpacked.root

    def fetch(self):
        super().fetch()
        self.unpacked.fetch()

    def program(self):
        return self.unpacked.program("mariadbd")

    def command(self, data):
        return [*super().command(data), f"--lc-messages-dir={self.plugins}/usr/share/mysql"]


class MySql:
    unpacked = Unpacked("mysql")
    root = unpacked.root

    def fetch(self):
        self.unpacked.fetch()

    def _program(self):
        return self.unpacked.program("mysqld")

    def _options(self, data):
        return ["--no-defaults", f"--basedir={self.root}/usr", f"--datadir={data}", "--mysqlx=OFF", "--secure-file-priv=",
                f"--lc-messages-dir={self.root}/usr/share/mysql", f"--plugin-dir={self.root}/usr/lib/mysql/plugin",
                "--innodb-redo-log-capacity=8M"]

    def prepare(self, folder, data):
        run([*self._program(), *self._options(data), "--initialize-insecure", COMMON[0]], folder)
        init = folder / "init.sql"
        init.write_text("CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n")

    def command(self, data):
        return [*self._program(), *self._options(data), f"--init-file={data.parent}/init.sql"]


KINDS = {
    "mariadb": NewerMariaDb if os.environ.get("MARIADB_SUITE") == SUITE else MariaDb, "newer-mariadb": NewerMariaDb, "mysql": MySql,
}


def own(folder):
    """A server that starts removes the temporary tables that others have in a folder that they share."""
    return {"cwd": folder, "env": {**os.environ, "TMPDIR": str(folder)}}


def run(command, folder):
    with open(folder / "prepare.log", "w") as log:
        done = subprocess.run(command, stdout=log, stderr=log, **own(folder))
    if done.returncode != 0:
        raise NotAvailable(f"{command[0]} failed:\n{(folder / 'prepare.log').read_text()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(path):
    """Whether the server greets: the first byte behind the length is the protocol's version."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            probe.connect(str(path))
            return probe.recv(5)[4:5] == b"\x0a"
    except OSError:
        return False


def start(kind, folder, options):
    server = KINDS[kind]()
    server.fetch()
    folder = pathlib.Path(folder).resolve()
    data = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if not (data / "mysql").is_dir():
        server.prepare(folder, data)
        (folder / "port").write_text(str(free_port()))
    port = (folder / "port").read_text()
    place = [f"--port={port}", f"--socket={folder}/s.sock", f"--pid-file={folder}/pid", f"--log-error={folder}/error.log"]
    null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*server.command(data), *COMMON, *place, *options], start_new_session=True, **own(folder), **null)
    (folder / "running").write_text(str(process.pid))
    deadline = time.monotonic() + PATIENCE
    while not answers(folder / "s.sock"):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise NotAvailable((folder / "error.log").read_text()[-4000:])
        time.sleep(0.02)
    return {"PID": process.pid, "PORT": port, "SOCKET": f"{folder}/s.sock"}


def tell(place):
    print("\n".join(f"{name}={value}" for name, value in place.items()), flush=True)


def obey(kind, folder, options):
    tell(start(kind, folder, options))
    try:
        for line in sys.stdin:
            if line.strip() == "start":
                tell(start(kind, folder, options))
            else:
                stop(folder, signal.SIGKILL if line.strip() == "kill" else signal.SIGTERM)
                print("OK", flush=True)
    finally:
        stop(folder, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def stop(folder, how=signal.SIGTERM):
    """Waits for the end, which the server is no child of this process to be waited for."""
    pid = int((pathlib.Path(folder) / "running").read_text())
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.02)
    raise NotAvailable(f"the server {pid} does not end")


def main():
    try:
        if sys.argv[1] == "start":
            tell(start(sys.argv[2], sys.argv[3], sys.argv[4:]))
        elif sys.argv[1] == "run":
            obey(sys.argv[2], sys.argv[3], sys.argv[4:])
        elif sys.argv[1] == "stop":
            stop(sys.argv[2])
        else:
            KINDS[sys.argv[2]]().fetch()
    except NotAvailable as why:
        sys.exit(f"server.py: {why}")


if __name__ == "__main__":
    main()
