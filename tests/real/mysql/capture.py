"""Captured CDR tables: their shapes, their rows in the order in which Asterisk wrote them, and what rows come to."""

import itertools
import pathlib
import re
import sys

TESTDATA = pathlib.Path(__file__).resolve().parents[3] / "receivers/src/mysql_cdr/testdata"
sys.path.insert(0, str(TESTDATA))
from expected import ANSWER_BOUNDS, BOUNDS, count, read  # noqa: E402


def create(shape, table, first="", end=""):
    """The statement that makes an empty table like the captured one; `first` are columns before all others."""
    schema = (TESTDATA / "schema.sql").read_text()
    columns = re.search(rf"CREATE TABLE `{shape}` \((.*?)\n\) ENGINE", schema, re.S)[1]
    return f"CREATE TABLE {table} ({first}{columns}{end})"


class Capture:
    """The rows of a captured table."""

    def __init__(self, name):
        self.rows = read(name)
        self.expected = count(self.rows)
        self.shape = "cdr_alembic" if "linkedid" in self.rows[0] else "cdr"

    def calls(self, table):
        """For each call the statements that write its rows in one transaction."""
        for _, rows in itertools.groupby(self.rows, lambda row: row.get("linkedid") or row["uniqueid"]):
            yield ["BEGIN", *(insert(table, row) for row in rows), "COMMIT"]


def insert(table, row):
    """The statement that writes a row."""

    def literal(field):
        return "NULL" if field == "NULL" else "'" + field.replace("\\", "\\\\").replace("'", "''") + "'"

    columns = ",".join(f"`{column}`" for column in row)
    return f"INSERT INTO {table} ({columns}) VALUES ({','.join(map(literal, row.values()))})"


def page(expected, table=None):
    """The series of /metrics that say what `count` counted; `table` where the receiver reads several."""

    def series(name, **labels):
        labels = {**labels, **({"table": table} if table else {})}
        # The bound of a bucket is its last label.
        text = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels, key=lambda key: (key == "le", key)))
        return f"asterisk_cdr_{name}{{{text}}}" if text else f"asterisk_cdr_{name}"

    page = {series("calls_total", disposition=ending): calls for ending, calls in expected["dispositions"].items() if calls}
    for name, bounds in (("duration", BOUNDS), ("answer_time", ANSWER_BOUNDS)):
        for bound, calls in zip([*bounds, "+Inf"], expected[f"{name}_buckets"], strict=True):
            page[series(f"{name}_seconds_bucket", le=bound)] = calls
        page[series(f"{name}_seconds_sum")] = expected[f"{name}_sum"]
    page |= {series(f"{name}_total", **dict(labels)): calls for name, labels, calls in expected["by"]}
    return page | {
        series("rows_total"): expected["rows"],
        series("duration_seconds_count"): expected["calls"],
        series("short_calls_total"): expected["short_calls"],
        series("billable_seconds_total"): expected["billsec_sum"],
    }


def differs(found, expected):
    """What of `expected` is not so on the page."""
    return {series: f"expected {value}, found {found.get(series)}" for series, value in expected.items() if found.get(series) != value}
