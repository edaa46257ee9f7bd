"""A SIP phone for tests: UDP on 127.0.0.1, deaf and dumb. Registers, calls, answers, hangs up, transfers.

Sources: RFC 3261 (SIP), RFC 2617 (digest), RFC 3515 (REFER).
"""

import asyncio
import hashlib
import itertools
import re
import secrets

_numbers = itertools.count(1)


class Message:
    """A request or a response."""

    def __init__(self, data):
        head, _, self.body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]
        self.status = int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else None
        self.method = self.first.split()[0] if self.status is None else self.get("CSeq").split()[1]

    def get(self, name, default=""):
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Call:
    """One dialog that an INVITE begins, in either direction."""

    def __init__(self, phone, call_id, outgoing):
        self.phone, self.call_id, self.outgoing = phone, call_id, outgoing
        self.state = "ringing"  # then "up", then "ended"
        self.status = None  # the final status of the INVITE
        self.changed = asyncio.Event()
        self.local = self.remote = self.target = None
        self.invite = None
        self.cseq = 1

    def become(self, state, status=None):
        self.state, self.status = state, status or self.status
        self.changed.set()

    async def wait(self, *states, seconds=20):
        """Waits until the call is in one of the states."""
        async with asyncio.timeout(seconds):
            while self.state not in states:
                self.changed.clear()
                await self.changed.wait()
        return self

    def answer(self):
        self.phone._respond(self.invite, 200, "OK", to=self.local, body=self.phone._sdp())
        self.become("up", 200)

    def reject(self, status, reason):
        self.phone._respond(self.invite, status, reason, to=self.local)
        self.become("ended", status)

    def hang_up(self):
        """Ends the call, whatever its state."""
        if self.state == "up":
            self._request("BYE")
            self.become("ended")
        elif self.state == "ringing" and self.outgoing:
            self.phone._send(self.phone._request_text("CANCEL", self.target, self, branch=self.branch, cseq=1))
        elif self.state == "ringing":
            self.reject(480, "Temporarily Unavailable")

    def refer(self, number):
        """Asks the other side to call somebody else instead, and leaves: a blind transfer."""
        self._request("REFER", f"Refer-To: <sip:{number}@{self.phone.server_text}>\r\nReferred-By: <{self.phone.uri}>\r\n")

    def _request(self, method, more=""):
        self.cseq += 1
        self.phone._send(self.phone._request_text(method, self.target, self, more=more, cseq=self.cseq))


class Phone(asyncio.DatagramProtocol):
    """A phone. `on_call(call)` is told of each incoming call, which rings until it does something."""

    def __init__(self, user, server, password=None):
        self.user, self.server, self.password = user, server, password
        self.server_text = f"{server[0]}:{server[1]}"
        self.calls = {}
        self.replies = {}
        self.on_call = lambda call: None
        self.transport = None

    async def open(self):
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        # Somewhere for the other side's voice to go to.
        self.media, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        self.uri = f"sip:{self.user}@127.0.0.1:{self.port}"
        return self

    def close(self):
        self.transport.close()
        self.media.close()

    # What a test does.

    async def register(self, seconds=120):
        """Registers, or with 0 seconds takes the registration back."""
        call_id, tag, authorization = _id(), _id(), ""
        for cseq in (1, 2):
            reply = self.replies[call_id, cseq] = asyncio.get_running_loop().create_future()
            self._send(
                f"REGISTER sip:{self.server_text} SIP/2.0\r\n{self._via()}From: <sip:{self.user}@{self.server_text}>;tag={tag}\r\n"
                f"To: <sip:{self.user}@{self.server_text}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n"
                f"Contact: <{self.uri}>\r\nExpires: {seconds}\r\n{authorization}Content-Length: 0\r\n\r\n"
            )
            response = await asyncio.wait_for(reply, 10)
            if response.status != 401:
                break
            authorization = self._authorization(response, "REGISTER", f"sip:{self.server_text}")
        return response.status

    def call(self, number, name="Erika 4930123456"):
        """Calls a number. The call comes back while it is being set up."""
        call = Call(self, _id(), outgoing=True)
        call.branch = _branch()
        call.target = f"sip:{number}@{self.server_text}"
        call.local = f'"{name}" <sip:{self.user}@127.0.0.1>;tag={_id()}'
        call.remote = f"<{call.target}>"
        self.calls[call.call_id] = call
        self._invite(call, "", 1)
        return call

    # Datagrams.

    def datagram_received(self, data, address):
        if len(data) < 16:
            return  # a keep-alive
        message = Message(data)
        if message.status is not None:
            self._response(message)
        else:
            getattr(self, f"_on_{message.method.lower()}", self._on_other)(message, address)

    def _response(self, message):
        call = self.calls.get(message.get("Call-ID"))
        cseq = int(message.get("CSeq").split()[0])
        if message.method == "INVITE" and call:
            self._invite_response(call, message, cseq)
        elif message.method == "REFER" and call and message.status < 300:
            call.hang_up()  # it is the others' call now
        elif message.status >= 200:
            waiting = self.replies.pop((message.get("Call-ID"), cseq), None)
            if waiting and not waiting.done():
                waiting.set_result(message)

    def _invite_response(self, call, message, cseq):
        if message.status < 200:
            return
        target = call.target
        if message.status < 300:
            call.remote = message.get("To")
            call.target = re.search(r"<([^>]*)>", message.get("Contact")).group(1)
            self._send(self._request_text("ACK", call.target, call, cseq=cseq))
            if call.state == "ringing":
                call.become("up", message.status)
            return
        remote, call.remote = call.remote, message.get("To")
        self._send(self._request_text("ACK", target, call, branch=call.branch, cseq=cseq))
        call.remote = remote
        if message.status in (401, 407) and cseq == 1 and self.password:
            call.branch, call.cseq = _branch(), 2
            self._invite(call, self._authorization(message, "INVITE", target), 2)
        elif call.state == "ringing":
            call.become("ended", message.status)

    def _on_invite(self, message, address):
        known = self.calls.get(message.get("Call-ID"))
        if known:  # sent again, or changed in a call
            if known.state == "up":
                self._respond(message, 200, "OK", to=known.local, body=self._sdp())
            return
        call = Call(self, message.get("Call-ID"), outgoing=False)
        call.invite = message
        call.local, call.remote = f"{message.get('To')};tag={_id()}", message.get("From")
        call.target = re.search(r"<([^>]*)>", message.get("Contact")).group(1)
        self.calls[call.call_id] = call
        self._respond(message, 180, "Ringing", to=call.local)
        self.on_call(call)

    def _on_cancel(self, message, address):
        call = self.calls.get(message.get("Call-ID"))
        self._respond(message, 200, "OK")
        if call and call.state == "ringing":
            call.reject(487, "Request Terminated")

    def _on_bye(self, message, address):
        self._respond(message, 200, "OK")
        if call := self.calls.get(message.get("Call-ID")):
            call.become("ended")

    def _on_ack(self, message, address):
        pass

    def _on_other(self, message, address):
        self._respond(message, 200, "OK")

    # Texts.

    def _invite(self, call, authorization, cseq):
        body = self._sdp()
        self._send(
            f"INVITE {call.target} SIP/2.0\r\n{self._via(call.branch)}From: {call.local}\r\nTo: {call.remote}\r\n"
            f"Call-ID: {call.call_id}\r\nCSeq: {cseq} INVITE\r\nContact: <{self.uri}>\r\n{authorization}"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )

    def _request_text(self, method, target, call, branch=None, more="", cseq=1):
        contact = f"Contact: <{self.uri}>\r\n" if method == "REFER" else ""
        return (
            f"{method} {target} SIP/2.0\r\n{self._via(branch)}From: {call.local}\r\nTo: {call.remote}\r\n"
            f"Call-ID: {call.call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{more}Content-Length: 0\r\n\r\n"
        )

    def _respond(self, request, status, reason, to=None, body=""):
        vias = "".join(f"Via: {via}\r\n" for via in request.all("Via"))
        content = "Content-Type: application/sdp\r\n" if body else ""
        self._send(
            f"SIP/2.0 {status} {reason}\r\n{vias}From: {request.get('From')}\r\nTo: {to or request.get('To')}\r\n"
            f"Call-ID: {request.get('Call-ID')}\r\nCSeq: {request.get('CSeq')}\r\nContact: <{self.uri}>\r\n{content}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def _via(self, branch=None):
        return f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch={branch or _branch()}\r\nMax-Forwards: 70\r\n"

    def _sdp(self):
        return (
            f"v=0\r\no=phone {next(_numbers)} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.media.get_extra_info('sockname')[1]} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def _authorization(self, challenge, method, uri):
        header = challenge.get("WWW-Authenticate") or challenge.get("Proxy-Authenticate")
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
        name = "Proxy-Authorization" if challenge.status == 407 else "Authorization"

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        secret = md5(f"{self.user}:{given['realm']}:{self.password}")
        parts, qop = [secret, given["nonce"]], ""
        if "qop" in given:
            nonce = _id()
            parts += ["00000001", nonce, "auth"]
            qop = f', qop=auth, nc=00000001, cnonce="{nonce}"'
        response = md5(":".join([*parts, md5(f"{method}:{uri}")]))
        opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
        return (
            f'{name}: Digest username="{self.user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=MD5{qop}{opaque}\r\n'
        )

    def _send(self, text):
        if not self.transport.is_closing():
            self.transport.sendto(text.encode(), self.server)


def _id():
    return secrets.token_hex(8)


def _branch():
    return f"z9hG4bK{_id()}"
