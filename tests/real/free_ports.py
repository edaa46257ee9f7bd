"""free_ports.py N: prints N ports of 127.0.0.1 that were free a moment ago, for TCP and UDP."""

import socket
import sys


def free_ports(count):
    held = []
    while len(held) < 2 * count:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        held += [tcp, udp]
    ports = [tcp.getsockname()[1] for tcp in held[::2]]
    for each in held:
        each.close()
    return ports


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1])))
