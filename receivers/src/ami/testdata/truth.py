#!/usr/bin/env python3
"""truth.py [DIR]: what is true after each event of each transcript under DIR/captures, by rules of its own.

Nothing here is taken from the receiver: it reads the bytes of the transcripts and counts. The output (truth.txt beside this
file) has a section for each transcript; a line is the number of an event and what differs after it from before:

    == asterisk22/dial_busy 46
    1 calls=1 calls.up=1 channels=1 channels.up=1 up.PJSIP=1

The number behind the name is that of all events. A value that is not mentioned yet is 0. An event is a message that begins with
`Event:` and is no row of a list: a row, and a list's end, carry an ActionID that this client sent; OriginateResponse can,
too, but is an event.

    calls, channels            begun so far: distinct Linkedids, Newchannel events
    calls.up, channels.up      up now; up.<technology> too
    calls.ended                calls of which the last channel ended
    dials                      DialBegin events
    dial.<status>              first DialEnd for each dialled channel, by DialStatus (a transfer's has no DialBegin)
    hangup.<cause>             Hangup events, by Cause-txt
    joins, callers.<queue>     QueueCallerJoin events; callers in a queue now
    answered, completed        AgentConnect and AgentComplete events
    abandoned, timedout        QueueCallerAbandon events after a HangupRequest of the caller, and without one
    bridges, bridged           bridges now; channels that are in one
    rooms, participants        conferences with participants now; participants
    authfail                   events of refused logins
    rtcp                       RTCP events with a report block
"""
import base64, gzip, json, pathlib, re, sys

REFUSED = {'ChallengeResponseFailed', 'InvalidPassword', 'InvalidAccountID', 'InvalidTransport', 'FailedACL', 'SessionLimit',
           'MemoryLimit', 'LoadAverageLimit', 'RequestNotSupported', 'RequestNotAllowed', 'RequestBadFormat',
           'AuthMethodNotAllowed', 'UnexpectedAddress'}


def events(path):
    """Each event as a dict of its first values."""
    received = sent = b''
    for line in gzip.open(path):
        entry = json.loads(line)
        if entry['dir'] == 's2c':
            received += base64.b64decode(entry['b64'])
        elif entry['dir'] == 'c2s':
            sent += base64.b64decode(entry['b64'])
    asked = set(re.findall(r'^ActionID: *(.*?)\r$', sent.decode('utf-8', 'replace'), re.M))
    if received.startswith(b'Asterisk Call Manager'):
        received = received.partition(b'\r\n')[2]
    for message in received.split(b'\r\n\r\n')[:-1]:
        message, event = message.lstrip(b'\r\n'), {}  # some events have an empty line too many
        for header in message.split(b'\r\n'):
            key, _, value = header.partition(b':')
            event.setdefault(key.decode('utf-8', 'replace').lower(), value.strip().decode('utf-8', 'replace'))
        if not message.startswith(b'Event:'):
            continue
        if event.get('actionid') not in asked or event['event'] == 'OriginateResponse':
            yield event


class Truth:
    def __init__(self):
        self.linkedids, self.channels, self.up = set(), 0, {}
        self.ended, self.dials, self.told, self.results = set(), 0, set(), {}
        self.hangups, self.joins, self.callers, self.requested = {}, 0, {}, set()
        self.counts = dict.fromkeys(('answered', 'completed', 'abandoned', 'timedout', 'authfail', 'rtcp'), 0)
        self.bridges, self.bridged, self.rooms = set(), {}, {}

    def happens(self, e):
        name, uid = e['event'], e.get('uniqueid', '')
        if name == 'Newchannel':
            self.channels += 1
            self.linkedids.add(e['linkedid'])
            self.up[uid] = [e['channel'].split('/')[0], e['linkedid']]
        elif name == 'Rename' and uid in self.up:
            self.up[uid][0] = e['newname'].split('/')[0]
        elif name == 'Hangup':
            self.hangups[e['cause-txt']] = self.hangups.get(e['cause-txt'], 0) + 1
            self.bridged.pop(uid, None)
            if uid in self.up:
                linkedid = self.up.pop(uid)[1]
                if all(other != linkedid for _, other in self.up.values()):
                    self.ended.add(linkedid)
        elif name in ('HangupRequest', 'SoftHangupRequest'):
            self.requested.add(uid)
        elif name == 'DialBegin':
            self.dials += 1
            self.told.discard(e['destuniqueid'])
        elif name == 'DialEnd' and e['destuniqueid'] in self.up and e['destuniqueid'] not in self.told:
            self.told.add(e['destuniqueid'])
            self.results[e['dialstatus']] = self.results.get(e['dialstatus'], 0) + 1
        elif name == 'QueueCallerJoin':
            self.joins += 1
            self.callers.setdefault(e['queue'], set()).add(uid)
        elif name == 'QueueCallerLeave':
            self.callers[e['queue']].discard(uid)
        elif name == 'AgentConnect':
            self.counts['answered'] += 1
        elif name == 'AgentComplete':
            self.counts['completed'] += 1
        elif name == 'QueueCallerAbandon':
            self.counts['abandoned' if uid in self.requested else 'timedout'] += 1
        elif name == 'BridgeCreate':
            self.bridges.add(e['bridgeuniqueid'])
        elif name == 'BridgeDestroy':
            self.bridges.discard(e['bridgeuniqueid'])
        elif name == 'BridgeEnter':
            self.bridged[uid] = e['bridgeuniqueid']
            self.bridges.add(e['bridgeuniqueid'])  # a parking lot's was there before
        elif name == 'BridgeLeave' and self.bridged.get(uid) == e['bridgeuniqueid']:
            del self.bridged[uid]
        elif name == 'ConfbridgeJoin':
            self.rooms.setdefault(e['conference'], []).append(uid)
        elif name == 'ConfbridgeLeave':
            self.rooms[e['conference']].remove(uid)
        elif name in REFUSED:
            self.counts['authfail'] += 1
        elif name in ('RTCPSent', 'RTCPReceived') and 'report0iajitter' in e:
            self.counts['rtcp'] += 1

    def facts(self):
        facts = {'calls': len(self.linkedids), 'channels': self.channels, 'channels.up': len(self.up),
                 'calls.up': len({linkedid for _, linkedid in self.up.values()}), 'calls.ended': len(self.ended),
                 'dials': self.dials, 'joins': self.joins, 'bridges': len(self.bridges), 'bridged': len(self.bridged),
                 'rooms': sum(1 for room in self.rooms.values() if room),
                 'participants': sum(map(len, self.rooms.values())), **self.counts}
        for technology, _ in self.up.values():
            facts[f'up.{technology}'] = facts.get(f'up.{technology}', 0) + 1
        facts.update({f'dial.{status}': n for status, n in self.results.items()})
        facts.update({f'hangup.{cause}': n for cause, n in self.hangups.items()})
        facts.update({f'callers.{queue}': len(waiting) for queue, waiting in self.callers.items()})
        return {key.replace(' ', '_'): value for key, value in facts.items()}


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for path in sorted((root / 'captures').glob('*/*.jsonl.gz')):
        truth, before, lines, number = Truth(), {}, [], 0
        for number, event in enumerate(events(path), 1):
            truth.happens(event)
            after = truth.facts()
            changed = [f'{key}={after.get(key, 0)}' for key in sorted(after.keys() | before.keys())
                       if after.get(key, 0) != before.get(key, 0)]
            if changed:
                lines.append(f'{number} {" ".join(changed)}')
            before = after
        print(f'== {path.parent.name}/{path.name.removesuffix(".jsonl.gz")} {number}')
        print(*lines, sep='\n', end='\n' if lines else '')


if __name__ == '__main__':
    main()
