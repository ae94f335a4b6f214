"""The faults, one entry each: what goes wrong, what it must cause, how often, and what it resembles.

A window is a length of time in which a schedule must hit; a rate is for what no schedule can influence. The
three difficulties make a suitable program show the fault about one time in 3, in 10 and in 100: measured by
`benchmarks/fault_rates.py`. Where a window must outlast the time from an answer to the next request
(`stale-snapshot` and its like), the hard one hangs on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator

from kalam_props.reference.faults import Difficulty, Fault, ParameterKind

_RATES: tuple[str, str, str] = ("0.4", "0.1", "0.01")
_FLUSH_WINDOWS: tuple[str, str, str] = ("6ms", "2ms", "400us")
_WINDOWS_AFTER_A_FLUSH: tuple[str, str, str] = ("6ms", "2ms", "800us")
"""Shorter ones are over before a read that began after the flush looks."""


def _fault(
    parameter: str,
    name: str,
    anomaly: str,
    summary: str,
    presets: tuple[str, str, str],
    default: str | None = None,
    resembles: str | None = None,
) -> Fault:
    difficulties: dict[Difficulty, dict[str, str]] = {
        "easy": {parameter: presets[0]},
        "medium": {parameter: presets[1]},
        "hard": {parameter: presets[2]},
    }
    kind: ParameterKind = "duration" if parameter == "window" else "probability"
    parameters = {parameter: default or presets[0]}
    return Fault(name, summary, anomaly, parameters, {parameter: kind}, difficulties, resembles)


def _race(
    name: str,
    anomaly: str,
    summary: str,
    windows: tuple[str, str, str] = _FLUSH_WINDOWS,
    default: str | None = None,
    resembles: str | None = None,
) -> Fault:
    return _fault("window", name, anomaly, summary, windows, default, resembles)


def _chance(
    name: str,
    anomaly: str,
    summary: str,
    rates: tuple[str, str, str] = _RATES,
    default: str | None = None,
    resembles: str | None = None,
) -> Fault:
    return _fault("rate", name, anomaly, summary, rates, default, resembles)


def _catalogue() -> Iterator[Fault]:
    """Every fault, grouped by where in the server it is."""
    yield from _in_a_flush()
    yield from _in_a_read()
    yield from _in_a_write()
    yield from _between_requests()
    yield from _in_a_restart()
    yield from _in_notifications()


def _in_a_flush() -> Iterator[Fault]:
    yield _race(
        "lost-on-flush",
        "lost-row",
        "A flush deletes the hot rows of each user it flushed by range, and with them those that arrived in "
        "a window before.",
        ("8ms", "5ms", "2700us"),
        default="10ms",
        resembles="scylladb/scylladb#28071: memtables cleared with unflushed data in them",
    )
    yield _chance(
        "boundary-row-dropped",
        "lost-row",
        "A flush that finds exactly as many hot rows as the flush policy asks for drops the last one.",
        default="1",
    )
    yield _race(
        "seen-twice",
        "duplicate-row",
        "Between the publishing of a cold file and the deletion of its hot rows, readers answer both.",
        default="10ms",
        resembles="matrixorigin/matrixone#5992: redundant rows in a SELECT while flushing",
    )
    yield _race(
        "gone-between",
        "stale-read",
        "A flush deletes the hot rows before it publishes their cold file; in between they are nowhere.",
        ("6ms", "2ms", "100us"),
        default="10ms",
        resembles="prometheus/prometheus#9079: head truncation made queries in flight miss samples",
    )
    yield _chance(
        "foreign-flush",
        "foreign-row",
        "A flush of several users now and then writes a row of one into the file of another.",
        default="0.5",
    )
    yield _chance(
        "tombstone-dropped",
        "resurrected-row",
        "A flush leaves tombstones out of its file, so that a deleted cold row comes back.",
        resembles="facebook/rocksdb#2722: deleted keys reappeared after compaction",
    )
    yield _chance(
        "old-version-flushed",
        "lost-update",
        "A flush that finds several versions of a row keeps the oldest; acknowledged updates are lost.",
        resembles="influxdata/docs-v2#6330: of duplicates flushed together any may be persisted",
    )
    yield _chance(
        "shifted-column",
        "corrupt-row",
        "A flush writes one text column of a file a row off, so that rows have each other's values.",
    )
    yield _race(
        "hang-at-flush",
        "hung",
        "A write that arrives in a window of its table's flush is never answered.",
    )


def _in_a_read() -> Iterator[Fault]:
    yield _race(
        "stale-manifest",
        "stale-read",
        "Readers go on with the manifest from before a flush for a while after its hot rows are gone.",
        _WINDOWS_AFTER_A_FLUSH,
        resembles="prometheus/prometheus#9079: a querier kept its list of blocks across a head truncation",
    )
    yield _race(
        "hot-only-count",
        "wrong-count",
        "For a while after a flush COUNT(*) without WHERE counts hot rows only.",
        _WINDOWS_AFTER_A_FLUSH,
    )
    yield _race(
        "stale-count",
        "wrong-count",
        "COUNT(*) without WHERE answers from a statistic that is refreshed only a while after a write.",
        ("40ms", "12ms", "4500us"),
        default="60ms",
    )
    yield _race(
        "stale-snapshot",
        "stale-read",
        "A scan uses a snapshot that was taken a while before, and misses what was committed since.",
        ("9ms", "5ms", "2500us"),
        resembles="Jepsen: VoltDB 6.3, stale reads from a replica's snapshot",
    )
    yield _race(
        "stale-index",
        "stale-value",
        "A read by primary key uses an index that learns of an update a while after it; scans do not.",
        ("9ms", "4ms", "2300us"),
    )
    yield _race(
        "split-scan",
        "not-atomic-scan",
        "A scan that lasts a while sees the last of the commits meanwhile, but not those before it.",
        ("8ms", "4500us", "2ms"),
    )
    yield _chance(
        "foreign-file",
        "foreign-row",
        "What a cold read keeps in memory is now and then found again without looking at whose it is.",
    )


def _in_a_write() -> Iterator[Fault]:
    arrival = ("3ms", "1ms", "300us")
    yield _race(
        "torn-batch",
        "torn-batch",
        "A commit of several rows is written in two halves, with a window between them.",
        ("2500us", "800us", "80us"),
    )
    yield _race(
        "update-race",
        "lost-update",
        "An UPDATE does not see commits of its first moments, and writes over them.",
        ("3ms", "1500us", "600us"),
        resembles="Jepsen: TiDB 2.1.7, lost updates by blindly repeated writes",
    )
    yield _race(
        "insert-race",
        "wrongly-accepted",
        "An INSERT does not see commits of its first moments, and accepts a key that was just taken.",
        arrival,
    )
    yield _race(
        "delete-race",
        "wrong-affected",
        "A DELETE does not see commits of its first moments, and counts a row that was just deleted.",
        arrival,
    )
    yield _race(
        "version-tie",
        "lost-update",
        "An update so soon after another of its row gets the same version, and the older one wins the tie.",
        ("6ms", "2500us", "600us"),
        resembles="Jepsen: Cassandra, writes with equal timestamps decided by value",
    )
    yield _race(
        "sequence-collision",
        "lost-row",
        "An insert so soon after another of its user gets its sequence number, and takes its place.",
        ("6ms", "2ms", "400us"),
    )
    yield _race(
        "keys-not-per-user",
        "wrongly-refused",
        "For a while after an insert its key is taken for every user of the table.",
        ("2ms", "1200us", "250us"),
        resembles="matrixorigin/matrixone#6333: duplicate entry refused that is none, while flushing",
    )
    yield _race(
        "refused-batch-seen",
        "failed-but-visible",
        "The rows of a refused multi-row INSERT that are no duplicates can be read before they are undone.",
        ("2500us", "800us", "80us"),
    )
    yield _chance(
        "applied-but-refused",
        "failed-but-visible",
        "An INSERT that was applied is answered with a duplicate-key refusal.",
    )
    yield _chance(
        "dropped-rows-return",
        "phantom-row",
        "A DROP TABLE leaves everything where it is, and the next table of that name finds it.",
        default="1",
    )
    yield _chance(
        "keys-folded",
        "wrongly-refused",
        "An INSERT takes its text key for one that is there and differs in nothing but case.",
        default="1",
    )


def _between_requests() -> Iterator[Fault]:
    yield _race(
        "shared-identity",
        "foreign-row",
        "Who is asking is kept in a variable that all requests share, for a window before it is used.",
        ("6ms", "1500us", "150us"),
    )
    yield _race(
        "swapped-answers",
        "foreign-row",
        "Of two equal SELECTs of different users that end in one window each gets the other's answer.",
        ("6ms", "1500us", "300us"),
    )
    yield _race(
        "error-under-load",
        "server-error",
        "The third of three reads or writes that arrive in one window is answered with an internal error.",
        ("4ms", "2ms", "600us"),
    )


def _in_a_restart() -> Iterator[Fault]:
    yield _chance(
        "not-durable",
        "lost-after-crash",
        "A write is acknowledged without the write-ahead log, so that a kill loses it.",
    )
    yield _chance(
        "hot-not-replayed",
        "lost-after-crash",
        "After a kill the hot rows of a user are not brought back.",
        resembles="cnosdb/cnosdb#1464: rows lost when recovering from the log",
    )
    yield _chance(
        "flush-replayed",
        "resurrected-row",
        "After a restart a user's last flush is applied once more, over what was written since.",
        resembles="scylladb/scylladb#4734: removed rows came back after an unclean restart",
    )


def _in_notifications() -> Iterator[Fault]:
    yield _chance("missed-notification", "missed-notification", "A subscriber is not told of a change.")
    yield _chance("notification-twice", "duplicate-notification", "A subscriber is told of a change twice.")
    yield _chance(
        "foreign-notification", "foreign-notification", "Subscribers are told of another user's change."
    )
    yield _race(
        "notification-overtaken",
        "reordered-notification",
        "A notification is held back for a window, in which the next ones overtake it.",
        ("10ms", "5ms", "2ms"),
    )


FAULTS: dict[str, Fault] = {fault.name: fault for fault in _catalogue()}
"""Every known fault by its name; all are off unless switched on."""
