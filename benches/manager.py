"""A manager interface that accepts any login, has nothing to list, and tells recorded events at a rate."""
import base64
import gzip
import json
import re
import socket
import threading
import time

# What either of the programs that are compared asks for.
CLASSES = {"system", "call", "agent", "cdr", "reporting", "security", "dtmf", "agi"}


def recorded(path):
    """The events of a transcript that somebody here asks for."""
    stream = b""
    with gzip.open(path, "rt") as lines:
        for line in map(json.loads, lines):
            if line["dir"] == "s2c":
                stream += base64.b64decode(line["b64"])
    events = [message + b"\r\n\r\n" for message in stream.split(b"\r\n\r\n") if message.startswith(b"Event: ")]
    privilege = re.compile(rb"\r\nPrivilege: (\w+)")
    return [event for event in events if (found := privilege.search(event)) and found[1].decode() in CLASSES]


def again(events, number):
    """The same events with other ids: seconds are added to those in them."""
    later = lambda found: b"%d." % (int(found[1]) + 1000 * number)
    return [re.sub(rb"(?<!\d)(17\d{8})\.(?=\d)", later, event) for event in events]


def up(events):
    """Those of the events of one call that come before somebody hangs up."""
    over = next(number for number, event in enumerate(events) if event.startswith(b"Event: HangupRequest"))
    return events[:over]


def bridged_apart(events, number):
    """The same events with a bridge of their own."""
    return [re.sub(rb"(?<=\r\nBridgeUniqueid: )[^\r-]{8}", b"%08x" % number, event) for event in events]


class Manager:
    """Listens for one client."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.logged_in = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self.client, _ = self.listener.accept()
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
        held = b""
        while read := self.client.recv(65536):
            *actions, held = (held + read).split(b"\r\n\r\n")
            for action in actions:
                fields = dict(line.split(": ", 1) for line in action.decode().split("\r\n") if ": " in line)
                self.client.sendall(self._answer(fields.get("Action", "").lower(), fields.get("ActionID")))

    def _answer(self, action, number):
        known = {
            "challenge": "Response: Success\r\nChallenge: 1",
            "login": "Response: Success\r\nMessage: Authentication accepted",
            "coresettings": "Response: Success\r\nAMIversion: 11.0.0\r\nAsteriskVersion: 22.10.1\r\nSystemName: ",
            "events": "Response: Success\r\nEvents: On",
            "ping": "Response: Success\r\nPing: Pong",
        }
        if action == "login":
            self.logged_in.set()
        answer = known.get(action, "Response: Error\r\nMessage: Invalid/unknown command")
        return (answer + (f"\r\nActionID: {number}" if number else "") + "\r\n\r\n").encode()

    def tell(self, events, rate):
        """Sends the events one by one, as Asterisk does, a thousandth of `rate` every millisecond. Returns the seconds it took."""
        begin = time.monotonic()
        for number, event in enumerate(events):
            while number >= (time.monotonic() - begin) * rate:
                time.sleep(0.001)
            self.client.sendall(event)
        return time.monotonic() - begin

    def unread(self):
        """Bytes that the client has not read yet."""
        here, there = (f"{sock[1]:04X}" for sock in (self.client.getsockname(), self.client.getpeername()))
        waiting = 0
        with open("/proc/net/tcp") as table:
            for row in map(str.split, list(table)[1:]):
                ports = (row[1].split(":")[1], row[2].split(":")[1])
                to_send, received = (int(part, 16) for part in row[4].split(":"))
                waiting += to_send if ports == (here, there) else received if ports == (there, here) else 0
        return waiting
