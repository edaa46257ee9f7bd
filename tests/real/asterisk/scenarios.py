"""Calls as people make them. Each scenario tells at each of its steps what Asterisk must show."""

import asyncio


class Phones:
    """Everybody who is there: Anna answers, Bert is busy, Cora lets it ring, the carrier brings customers."""

    def __init__(self, phone):
        self.make = phone

    async def open(self):
        self.anna, self.bert, self.cora = [self.make(name, "secret") for name in ("anna", "bert", "cora")]
        self.carrier = self.make("carrier", None)
        for phone in self.all():
            await phone.open()
        self.incoming = asyncio.Queue()
        self.anna.on_call = self.incoming.put_nowait
        self.bert.on_call = lambda call: call.reject(486, "Busy Here")
        self.cora.on_call = lambda call: None

    def all(self):
        return [self.anna, self.bert, self.cora, self.carrier]

    def close(self):
        for phone in self.all():
            phone.close()

    async def register(self):
        for phone in (self.anna, self.bert, self.cora):
            status = await phone.register()
            assert status == 200, f"{phone.user} could not register: {status}"

    async def annas_phone_rings(self):
        return await asyncio.wait_for(self.incoming.get(), 20)


async def answered(phones, check):
    call = phones.carrier.call("2001")
    there = await phones.annas_phone_rings()
    await check("rings", channels=2, calls=1)
    there.answer()
    await call.wait("up")
    await check("talk", channels=2, calls=1)
    call.hang_up()
    await there.wait("ended")
    await check("over", channels=0, calls=0)


async def busy(phones, check):
    call = phones.carrier.call("2002")
    await call.wait("ended")
    assert call.status == 486, call.status
    await check("over", channels=0, calls=0)


async def no_answer(phones, check):
    call = phones.carrier.call("2003")
    await check("rings", channels=2, calls=1)
    await call.wait("ended")
    await check("over", channels=0, calls=0)


async def cancelled(phones, check):
    call = phones.carrier.call("2001")
    there = await phones.annas_phone_rings()
    await check("rings", channels=2, calls=1)
    call.hang_up()
    await call.wait("ended")
    await there.wait("ended")
    await check("over", channels=0, calls=0)


async def queued(phones, check):
    call = phones.carrier.call("3000")
    there = await phones.annas_phone_rings()
    await check("waits", channels=2, calls=1, support=1)
    there.answer()
    await there.wait("up")
    await check("talk", channels=2, calls=1, support=0)
    there.hang_up()
    await call.wait("ended")
    await check("over", channels=0, calls=0, support=0)


async def abandoned(phones, check):
    first, second = phones.carrier.call("3001"), phones.carrier.call("3001")
    await first.wait("up")
    await second.wait("up")
    await check("both wait", calls=2, lonely=2)
    first.hang_up()
    await check("one gave up", calls=1, lonely=1)
    second.hang_up()
    await check("over", channels=0, calls=0, lonely=0)


async def sent_elsewhere(phones, check):
    call = phones.carrier.call("3001")
    await call.wait("up")
    await check("waits", calls=1, lonely=1)
    phones.redirect("5000")
    await check("with the echo", channels=1, calls=1, lonely=0)
    call.hang_up()
    await check("over", channels=0, calls=0)


async def transferred(phones, check):
    call = phones.carrier.call("2001")
    there = await phones.annas_phone_rings()
    there.answer()
    await call.wait("up")
    await check("talk", channels=2, calls=1)
    there.refer("5000")
    await there.wait("ended")
    await check("with the echo", channels=1, calls=1)
    call.hang_up()
    await check("over", channels=0, calls=0)


async def conference(phones, check):
    first, second = phones.carrier.call("4000"), phones.carrier.call("4000")
    await first.wait("up")
    await second.wait("up")
    await check("both in", channels=2, calls=2, conferees=2)
    first.hang_up()
    await check("one left", channels=1, calls=1, conferees=1)
    second.hang_up()
    await check("over", channels=0, calls=0, conferees=0)


BURST = 20


async def burst(phones, check):
    """Many at once, which begin and end within the same seconds."""
    calls = [phones.carrier.call("5000") for _ in range(BURST)]
    for call in calls:
        await call.wait("up")
    await check("all talk", channels=BURST, calls=BURST)
    for call in calls:
        call.hang_up()
    await check("over", channels=0, calls=0)


async def not_registered(phones, check):
    call = phones.carrier.call("2004")
    await call.wait("ended")
    await check("over", channels=0, calls=0)


async def leaves(phones, check):
    assert await phones.cora.register(0) == 200
    await check("away", contacts=2)
    assert await phones.cora.register() == 200
    await check("back", contacts=3)


# What each is to have come to: the root's disposition, and how many calls it was.
ALL = {
    answered: ("ANSWERED", 1),
    busy: ("BUSY", 1),
    no_answer: ("NO ANSWER", 1),
    cancelled: ("CANCEL", 1),
    queued: ("ANSWERED", 1),
    abandoned: ("ANSWERED", 2),
    sent_elsewhere: ("ANSWERED", 1),
    transferred: ("ANSWERED", 1),
    conference: ("ANSWERED", 2),
    not_registered: ("FAILED", 1),
    leaves: (None, 0),
}
BY_NAME = {scenario.__name__: outcome for scenario, outcome in ALL.items()}

# Spans that the trace of each must have, besides its root.
SPANS = {
    "answered": {"asterisk.dial", "asterisk.bridge"},
    "busy": {"asterisk.dial"},
    "no_answer": {"asterisk.dial"},
    "cancelled": {"asterisk.dial"},
    "queued": {"asterisk.queue.wait", "asterisk.queue.ring", "asterisk.bridge"},
    "abandoned": {"asterisk.queue.wait"},
    "sent_elsewhere": {"asterisk.queue.wait"},
    "transferred": {"asterisk.dial", "asterisk.bridge"},
    "conference": {"asterisk.conference"},
}
