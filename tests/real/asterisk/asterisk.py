"""A real Asterisk for tests, taken from the Debian mirror that this system uses, without installing anything.

    asterisk.py fetch SUITE          downloads and unpacks it, once
    asterisk.py run SUITE DIR        starts one in DIR, prints NAME=value lines when it is booted, and runs until stdin ends

SUITE is a Debian suite: `sid` has Asterisk 22, `bullseye` has 16. The packages are unpacked into a cache folder and run with
the loader and the libraries that came with them, so the suite need not fit this system, and no rights are needed.
"""

import fcntl
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from free_ports import free_ports  # noqa: E402

# What no module here is linked with, and is large or no library.
NOT_NEEDED = re.compile(
    r"lib(codec2|perl|snmp|opus|nss3|glib2|gnutls|samplerate|db5|unbound|gmp|p11|unistring|curl|asound|tiff|gpgme"
    r"|krb5|ldap|jbig|jpeg|webp|neon|pq|radcli|iksemel|portaudio|jack|lua|ical|resample|speex|vorbis|ogg|sybdb|ct4|spandsp"
    r"|sasl|nettle|hogweed|idn2|tasn1|nghttp|psl|rtmp|ssh2|brotli|ksba|npth|assuan|deflate|lerc|sharpyuv|Lerc|hiredis"
    r"|newt|slang|pri|tonezone|openr2|ss7|bluetooth|freeradius|c-client|avahi|dbus|apparmor|seccomp|bpf|kmod|cryptsetup)"
)
NEEDED = re.compile(r"(asterisk|asterisk-modules|odbc-mariadb|odbcinst1debian2|zlib1g|lib.*)$")

# Modules by the beginnings of their names; one whose libraries are absent is left out.
MODULES = re.compile(
    r"(app_(attended_transfer|blind_transfer|channelredirect|confbridge|dial|echo|exec|playtones|queue|read"
    r"|senddtmf|softhangup|stack|transfer|userevent|verbose|while)|bridge_.*|cdr_(adaptive_odbc|manager)|cel_odbc|chan_bridge_media|chan_pjsip"
    r"|codec_(alaw|ulaw|a_mu|resample)|format_(pcm|sln)|func_(callerid|cdr|channel|db|dialplan|global|hangupcause|logic"
    r"|math|strings|timeout|devstate)|pbx_config|res_(agi|convert|crypto|geolocation|http_websocket|manager_devicestate"
    r"|musiconhold|odbc|odbc_transaction|parking|pjproject|pjsip|pjsip_(?!config_wizard|phoneprov|publish|stir|history|logger|geolocation"
    r"|send_to_voicemail|t38|transport_websocket|mwi_subscribe|endpoint_identifier_anonymous|outbound_publish|aoc"
    r"|one_touch_record|notify|exten_state).*|rtp_asterisk|security_log|sorcery_.*|speech|timing_timerfd))\.so$"
)


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(home) / "otelcol-asterisk" / "real"


class NotAvailable(Exception):
    """This machine cannot provide an Asterisk."""


class Installation:
    """The unpacked packages of one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.root = cache() / f"asterisk-{suite}-odbc"

    def fetch(self):
        """Downloads and unpacks, unless that was done before."""
        if (self.root / "done").exists():
            return
        for tool in ("apt-get", "dpkg-deb"):
            if not shutil.which(tool):
                raise NotAvailable(f"no {tool}, which fetches Asterisk")
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with open(self.root.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.root / "done").exists():
                print(f"asterisk.py: fetching Asterisk of {self.suite}, once", file=sys.stderr)
                shutil.rmtree(self.root, ignore_errors=True)
                self._fetch()
                (self.root / "done").touch()

    def _fetch(self):
        apt = Apt(self.root / "apt", self.suite)
        packages = [name for name in apt.closure("asterisk", "odbc-mariadb") if NEEDED.match(name)]
        apt.download([name for name in packages if not NOT_NEEDED.match(name)])
        self._unpack(apt)
        if self._lacking():
            apt.download(packages)
            self._unpack(apt)
        if lacking := self._lacking():
            raise NotAvailable(f"packages of {self.suite} lack {lacking}")
        shutil.rmtree(apt.folder)

    def _unpack(self, apt):
        for package in sorted(apt.packages.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, self.root], check=True)

    def _lacking(self):
        """Libraries that the program or a module that every test needs is linked with and that were not unpacked."""
        wanted = [self.program] + [self.modules / f"{name}.so" for name in ("res_pjsip", "app_queue", "app_confbridge", "cdr_adaptive_odbc")]
        wanted.append(self.odbc_driver)
        return sorted({line for file in wanted for line in self._absent(file)})

    def _absent(self, file):
        """What the loader says of libraries that are not there."""
        listed = subprocess.run([*self.loader(), "--list", file], capture_output=True, text=True)
        lines = (listed.stdout + listed.stderr).splitlines()
        return [line.strip() for line in lines if "not found" in line or "cannot open" in line]

    @property
    def program(self):
        return self.root / "usr/sbin/asterisk"

    @property
    def modules(self):
        found = glob.glob(f"{self.root}/usr/lib/*/asterisk/modules") + glob.glob(f"{self.root}/usr/lib/asterisk/modules")
        return pathlib.Path(found[0])

    @property
    def odbc_driver(self):
        return pathlib.Path(glob.glob(f"{self.root}/usr/lib/*/odbc/libmaodbc.so")[0])

    def loader(self):
        """The command line that runs a program of this suite."""
        loaders = glob.glob(f"{self.root}/**/ld-linux-*.so.*", recursive=True) + glob.glob(f"{self.root}/**/ld-2.*.so", recursive=True)
        # A link that begins with / would be this system's.
        files = [path for path in loaders if os.path.realpath(path).startswith(str(self.root)) and os.path.exists(path)]
        folders = [path for path in glob.glob(f"{self.root}/usr/lib/*-linux-gnu*") + glob.glob(f"{self.root}/lib/*-linux-gnu*")]
        folders += [str(self.root / "usr/lib"), str(self.root / "lib")]
        return [files[0], "--library-path", ":".join(folders)]

    def loadable(self):
        """The modules to load: wanted, and with all their libraries. Looked at once for each list of those wanted."""
        known = (self.root / "done").read_text().split("\n")
        if known[0] != MODULES.pattern:
            known = [MODULES.pattern, *self._loadable()]
            (self.root / "done").write_text("\n".join(known))
        return known[1:]

    def _loadable(self):
        names = sorted(path.name for path in self.modules.glob("*.so") if MODULES.match(path.name))
        return [name for name in names if not self._absent(self.modules / name)]


class Apt:
    """apt with an index of its own, for another suite of the mirrors that this system uses."""

    def __init__(self, folder, suite):
        self.folder = folder
        self.packages = folder / "packages"
        for part in ("lists/partial", "cache/archives/partial", "packages"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        sources = folder / "sources.list"
        self.options = [
            "-qq",
            "-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", "Dir::Etc::PreferencesParts=/dev/null", "-o", f"Dir::State={folder}", "-o", f"Dir::State::Lists={folder}/lists",
            "-o", f"Dir::State::status={folder}/status", "-o", f"Dir::Cache={folder}/cache", "-o", "Acquire::Languages=none",
            "-o", "APT::Sandbox::User=root", "-o", "APT::Install-Recommends=false", "-o", "APT::Update::Post-Invoke-Success::=",
        ]
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        trust = f"[signed-by={keys}]" if os.path.exists(keys) else ""
        for mirror in self._mirrors():
            sources.write_text(f"deb {trust} {mirror} {suite} main\n")
            updated = subprocess.run(["apt-get", *self.options, "update"], capture_output=True, text=True)
            if updated.returncode == 0 and "Err:" not in updated.stdout:
                return
        raise NotAvailable(f"no mirror of this system has the suite {suite}")

    @staticmethod
    def _mirrors():
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], capture_output=True, text=True
        ).stdout.split()
        plain = dict.fromkeys(uri for uri in listed if "security" not in uri)
        return sorted(plain, key=lambda uri: "/debian" not in uri)

    def closure(self, *packages):
        """The packages and all that they depend on."""
        planned = subprocess.run(["apt-get", *self.options, "-s", "install", *packages], capture_output=True, text=True)
        if planned.returncode != 0:
            raise NotAvailable(f"apt-get install {' '.join(packages)}: {planned.stderr.strip()}")
        return [line.split()[1] for line in planned.stdout.splitlines() if line.startswith("Inst ")]

    def download(self, packages):
        have = {path.name.split("_")[0] for path in self.packages.glob("*.deb")}
        missing = [name for name in packages if name not in have]
        if missing:
            subprocess.run(["apt-get", *self.options, "download", *missing], cwd=self.packages, check=True)


class Asterisk:
    """One Asterisk in a folder of its own, on ports of 127.0.0.1 of its own.

    With `database`, its port and name, CDR and CEL are written there.
    """

    def __init__(self, installation, folder, database=None):
        self.installation = installation
        self.folder = pathlib.Path(folder).resolve()
        self.process = None
        self.ami_port, self.sip_port, self.far_port = free_ports(3)
        self.database = database

    def start(self):
        self._configure()
        (self.folder / "run/asterisk.ctl").unlink(missing_ok=True)
        etc = str(self.folder / "etc")
        environment = dict(os.environ, OPENSSL_CONF="/dev/null", HOME=str(self.folder), ODBCSYSINI=etc, ODBCINI=f"{etc}/odbc.ini")
        with open(self.folder / "log/console", "a") as console:
            self.process = subprocess.Popen(
                [*self._command(), "-f", "-n"], stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment,
                cwd=self.folder, start_new_session=True,
            )
        end = time.monotonic() + 30
        while "fully booted" not in self.cli("core waitfullybooted"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise NotAvailable("Asterisk did not boot:\n" + (self.folder / "log/console").read_text()[-3000:])
            time.sleep(0.1)

    def stop(self, hard=False):
        if not self.process:
            return
        if hard:
            self.process.send_signal(signal.SIGKILL)
        else:
            self.cli("core stop now")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def cli(self, command):
        """What Asterisk's command line prints."""
        done = subprocess.run([*self._command(), "-rx", command], capture_output=True, text=True, timeout=30)
        return done.stdout

    def _command(self):
        return [*self.installation.loader(), str(self.installation.program), "-C", str(self.folder / "etc/asterisk.conf")]

    def _configure(self):
        for part in ("etc", "run", "log", "lib/keys", "lib/silence", "spool", "cache"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "lib/silence/second.ulaw").write_bytes(b"\xff" * 8000)
        rtp = 10000 + 200 * (self.sip_port % 200)
        database_port, database = self.database or (0, "")
        values = {
            "ODBC": "yes" if self.database else "no", "DATABASE_PORT": database_port, "DATABASE": database,
            "ODBC_DRIVER": self.installation.odbc_driver, "FOLDER": self.folder, "MODULES": self.installation.modules, "SHARE": self.installation.root / "usr/share/asterisk",
            "AMI_PORT": self.ami_port, "SIP_PORT": self.sip_port, "FAR_PORT": self.far_port, "RTP_START": rtp, "RTP_END": rtp + 199,
            "LOAD": "\n".join(f"load = {name}" for name in self.installation.loadable()),
        }
        for template in (HERE / "conf").iterdir():
            text = re.sub(r"@(\w+)@", lambda name: str(values[name[1]]), template.read_text())
            (self.folder / "etc" / template.name).write_text(text)


def main():
    if sys.argv[1:2] == ["fetch"]:
        Installation(sys.argv[2]).fetch()
        return
    if sys.argv[1:2] != ["run"]:
        sys.exit(__doc__)
    installation = Installation(sys.argv[2])
    installation.fetch()
    asterisk = Asterisk(installation, sys.argv[3])
    asterisk.start()
    try:
        print(f"AMI=127.0.0.1:{asterisk.ami_port}\nSIP=127.0.0.1:{asterisk.sip_port}", flush=True)
        sys.stdin.read()
    finally:
        asterisk.stop()


if __name__ == "__main__":
    main()
