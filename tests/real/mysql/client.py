"""Statements on a server of server.py, through the command line client that comes with MariaDB."""

import subprocess

END = "-- end --"


class Client:
    """One connection as root. A statement that fails raises what the server said."""

    def __init__(self, place, database=""):
        self.process = subprocess.Popen(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered", "--default-character-set=utf8mb4",
             f"--socket={place['SOCKET']}", "--user=root", *([database] if database else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )

    def run(self, *statements):
        """Runs statements, and returns the rows of their results, each a list of texts."""
        self.process.stdin.write("".join(f"{sql};\n" for sql in statements) + f"SELECT '{END}';\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == END:
                return [line.split("\t") for line in lines]
            lines.append(line.rstrip("\n"))
        raise RuntimeError("\n".join(lines))

    def close(self):
        self.process.stdin.close()
        self.process.wait()

