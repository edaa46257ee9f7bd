"""What is true, from Asterisk itself: its command line, and its events as a plain listener hears them."""

import asyncio
import collections
import hashlib
import re


class Listener:
    """Hears the events of AMI and keeps them all. Knows nothing but lines."""

    def __init__(self, port):
        self.port = port
        self.events = []
        self.task = None

    async def start(self):
        # An Asterisk that has just booted resets a connection now and then before it has read the login.
        for left in reversed(range(5)):
            try:
                return await self._log_in()
            except (ConnectionError, asyncio.IncompleteReadError):
                if not left:
                    raise
                await asyncio.sleep(0.5)

    async def _log_in(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(b"Action: Login\r\nUsername: truth\r\nSecret: stapler\r\nEvents: on\r\n\r\n")
        await self.reader.readuntil(b"Authentication accepted\r\n\r\n")
        self.task = asyncio.create_task(self._listen())

    async def _listen(self):
        try:
            while True:
                lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace").split("\r\n")
                self.events.append(dict(line.split(": ", 1) for line in lines if ": " in line))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def stop(self):
        if self.task:
            self.task.cancel()
            self.writer.close()

    def redirect(self, exten):
        """Sends the caller who joined a queue last to an extension."""
        channel = next(event["Channel"] for event in reversed(self.events) if event.get("Event") == "QueueCallerJoin")
        action = f"Action: Redirect\r\nChannel: {channel}\r\nContext: phones\r\nExten: {exten}\r\nPriority: 1\r\n\r\n"
        self.writer.write(action.encode())

    def calls(self):
        """The names of the channels of each call, by Linkedid."""
        calls = collections.defaultdict(set)
        for event in self.events:
            if event.get("Event") == "Newchannel":
                calls[event["Linkedid"]].add(event["Channel"])
        return dict(calls)

    def hangups(self):
        """How many channels of each call ended, by Linkedid."""
        return collections.Counter(event["Linkedid"] for event in self.events if event.get("Event") == "Hangup")


def trace_id(system, linkedid):
    """The trace of a call, as crates/asterisk documents it."""
    return hashlib.sha256(f"asterisk.call\n{system}\n{linkedid}".encode()).hexdigest()[:32]


def _count(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def state(asterisk):
    """What the command line shows now."""
    names = [line.split("!")[0] for line in asterisk.cli("core show channels concise").splitlines() if "!" in line]
    # The announcer of a conference, which is no party of a call: AMI tells nothing of it.
    names = [name for name in names if not name.startswith("CBAnn/")]
    linkedids = set()
    for name in names:
        found = re.search(r"LinkedID: (\S+)", asterisk.cli(f"core show channel {name}"))
        if found:
            linkedids.add(found[1])
    queues = asterisk.cli("queue show")
    contacts = asterisk.cli("pjsip show contacts")
    rooms = [line.split() for line in asterisk.cli("confbridge list").splitlines()]
    return {
        "channels": len(names),
        "calls": len(linkedids),
        "support": _count(r"(?m)^support has (\d+) calls", queues),
        "lonely": _count(r"(?m)^lonely has (\d+) calls", queues),
        "contacts": len(re.findall(r"(?m)^\s+Contact:\s+\S+/sip\S+\s+\S+\s+Avail", contacts)),
        "conferees": sum(int(row[1]) for row in rooms if len(row) > 2 and row[0] == "4000"),
    }
