"""Machines that need no rules but those that others have too: what they mix is what they hunt."""

from __future__ import annotations

from kalam_props.programs.machines.contention import Contention
from kalam_props.programs.machines.meetings import FlushMeetings
from kalam_props.programs.machines.neighbouring import Neighbouring
from kalam_props.programs.machines.races import Races
from kalam_props.programs.machines.rules import Flushes, Inserts, Reads, Writes
from kalam_props.programs.machines.watching import Watching


class Isolation(Inserts, Reads, Races, Neighbouring):
    """Users with the same keys insert, read and flush side by side: nobody sees another's rows."""

    max_users = 4
    race_kinds = ("insert", "select", "get", "count")


class ExactCounts(Inserts, Reads, Flushes, Races, FlushMeetings, Watching):
    """Rows come in batches that meet the flush boundary; every count and scan must be exact."""

    race_kinds = ("insert", "count", "select")
    meeting_kinds = ("count", "select", "another")
    comb_kinds = ("count", "select")


class FlushRaces(Inserts, Reads, Flushes, Races, FlushMeetings, Contention, Writes):
    """Everything that may meet a flush: reads, inserts, updates, deletes, inserts of deleted keys."""

    race_kinds = ("insert", "select", "count", "get", "update", "delete", "reinsert", "increment")


class Meetings(FlushMeetings):
    """Nothing but operations that meet a flush: for windows of a millisecond and less.

    Short programs: each meeting is a chance of its own, and few of them are sooner made small.
    """

    steps = 5
    max_users = 2
    flush_rows = (None, 3, None, 5)


class Writers(Contention):
    """Nothing but writes of one user that meet each other: for windows of a millisecond and less.

    Without a flush a round is over soon, so that a program has many.
    """

    steps = 6
    max_users = 2
    flush_rows = (None, None, None, 12)


class Watchers(Watching):
    """Nothing but inserts that are read while they run: for what shows half of them."""

    steps = 6
    max_users = 2
    flush_rows = (None, None, None, 12)


class Neighbours(Neighbouring):
    """Nothing but users who do something at once: for what takes one of them for another for a moment."""

    steps = 6
    max_users = 3
    flush_rows = (None, None, None, 12)


class Updates(Inserts, Writes, Reads, Races, Contention, Watching):
    """Few rows, many writers: updates and increments of the same row, deletes and re-inserts."""

    max_users = 2
    max_sessions = 3
    flush_rows = (4, 8)
    race_kinds = ("increment", "update", "get", "select", "delete", "reinsert")
