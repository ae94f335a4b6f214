"""What machines draw: programs that are worth running."""

from __future__ import annotations

import collections

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Kill,
    Restart,
    Select,
    Subscribe,
    Update,
)
from kalam_props.programs.machine import SESSIONS, Size, bind, fitted
from kalam_props.programs.machines import MACHINES, Crashes, FlushRaces, Neighbours, Updates, Watchers
from kalam_props.programs.machines.contention import Contention
from kalam_props.programs.machines.races import Action
from kalam_props.programs.model import Release, Step

QUIET = settings(
    max_examples=150,
    stateful_step_count=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def draw(machine, **options):
    drawn = []
    run_state_machine_as_test(bind(machine, drawn.append, **options), settings=QUIET)
    return drawn


def steps(program):
    return [step.op for r in program.rounds for lane in r.lanes.values() for step in lane]


@pytest.fixture(scope="module", params=MACHINES)
def programs(request):
    return draw(MACHINES[request.param])


def test_most_programs_race(programs):
    """A machine that draws only sequences tests nothing."""
    assert sum(any(r.concurrent for r in p.rounds) for p in programs) > len(programs) / 2


def test_programs_reach_the_flush_boundary(programs, request):
    """Batches are aimed at the boundary: a third of all programs holds at least as many rows at once."""
    if None in MACHINES[request.node.callspec.params["programs"]].flush_rows:
        pytest.skip("this machine flushes by command")
    reach = [
        max((len(op.rows) for op in steps(p) if isinstance(op, Insert)), default=0)
        >= min(table.flush_rows for table in p.tables.values()) - 1
        for p in programs
    ]
    assert sum(reach) > len(programs) / 3


def test_a_machine_leaves_out_what_a_target_cannot_do():
    """Notifications over a restart, where the server is ours to stop; without, all the others."""
    outages = (Kill, Restart)
    whole = draw(MACHINES["notifications"])
    assert any(isinstance(op, outages) for program in whole for op in steps(program))
    fewer = draw(fitted(MACHINES["notifications"], {"crash": "not ours"}))
    assert not any(isinstance(op, outages) for program in fewer for op in steps(program))
    assert any(isinstance(op, Subscribe) for program in fewer for op in steps(program))
    assert fitted(MACHINES["notifications"], {"compact": "unknown"}) is MACHINES["notifications"]


def test_users_share_keys():
    """Key 1 of one user and key 1 of another must never meet, so both must exist."""
    shared = 0
    for program in draw(MACHINES["isolation"]):
        keys = collections.defaultdict(set)
        for r in program.rounds:
            for session, lane in r.lanes.items():
                for step in lane:
                    if isinstance(step.op, Insert):
                        keys[session.split("/")[0]].update(row[0] for row in step.op.rows)
        shared += len(keys) > 1 and bool(set.intersection(*keys.values()))
    assert shared > 20


def texts(program):
    """What inserts write into the column that carries fingerprints."""
    return [
        row[program.tables[op.table].column_names.index("v")]
        for op in steps(program)
        if isinstance(op, Insert)
        for row in op.rows
    ]


def test_payloads_are_unique_in_a_program(programs):
    """A fingerprint says which operation wrote a value: no two may be the same."""
    for program in programs:
        changes = [op.set.values() for op in steps(program) if isinstance(op, Update)]
        values = texts(program) + [value for change in changes for value in change]
        assert len(values) == len(set(values))


def test_a_tenth_of_payloads_is_awkward(programs, request):
    """Quotes, comments, newlines, Unicode, 10 kB: some, not most. None where moments are all that matters."""
    values = [text for p in programs for text in texts(p)]
    awkward = sum(not value.replace(".", "").isalnum() for value in values)
    if request.node.callspec.params["programs"] in ("writers", "watchers", "neighbours"):
        assert awkward == 0
    else:
        assert 0 < awkward < len(values) / 5


def test_races_with_a_flush_are_released_into_it():
    """Many of their other requests have a point of the flush; the flush itself leaves with the round."""
    aimed = others = 0
    for program in draw(FlushRaces):
        for r in program.rounds:
            lanes = [step for lane in r.lanes.values() for step in lane]
            if r.concurrent and any(isinstance(step.op, Flush) for step in lanes):
                flush = [step for step in lanes if isinstance(step.op, Flush)]
                assert all(step.release is None for step in flush)
                others += len(lanes) - len(flush)
                aimed += sum(step.anchor == "flush" for step in lanes)
    assert aimed > others / 5


def test_inserts_are_read_while_they_run():
    """By one statement, or several, or two sessions, or a batch that must be refused: each often enough."""
    batches = several = refused = after_another = 0
    for program in (drawn := draw(Watchers)):
        held = set()
        for r in program.rounds:
            writers = [[s.op for s in lane if isinstance(s.op, Insert)] for lane in r.lanes.values()]
            readers = [lane for lane in r.lanes.values() if isinstance(lane[0].op, (Select, Count))]
            flushing = any(isinstance(s.op, Flush) for lane in r.lanes.values() for s in lane)
            inserts = max(writers, key=len)
            after_another += sum(lane[0] == Step(lane[0].op, Release("answer")) for lane in others(r, Insert))
            if readers and inserts and not flushing:
                keys = [{(next(iter(r.lanes))[:2], row[0]) for row in op.rows} for op in inserts]
                batches += any(len(op.rows) > 1 for op in inserts)
                several += len(inserts) > 1
                refused += len(keys[-1]) > 1 and bool(keys[-1] & held)
            for session, lane in r.lanes.items():
                held |= {(session[:2], row[0]) for s in lane if isinstance(s.op, Insert) for row in s.op.rows}
    assert min(batches, several, refused, after_another) > len(drawn) / 10


def others(round_, kind):
    """Lanes other than the first that begin with an operation of a kind."""
    return [lane for lane in list(round_.lanes.values())[1:] if isinstance(lane[0].op, kind)]


def test_sessions_contend_for_a_row_at_a_write_of_it():
    """A write that leaves with the round, and others of the same row, mostly in it or at its answer."""
    kinds = collections.Counter()
    released = aimed = 0
    for program in (drawn := draw(Contention)):
        for r in program.rounds:
            (writer,), *others = r.lanes.values()
            for (step,) in others:
                (key,) = keys(writer.op)
                same = not isinstance(step.op, Select) and keys(step.op) == {key}
                assert same or isinstance(writer.op, Insert)
                kinds[type(writer.op), type(step.op)] += same
                released += 1
                aimed += step.at_write
    assert released / 2 < aimed < released
    for pair in ((Increment, Increment), (Update, Increment), (Delete, Delete), (Insert, Insert)):
        assert kinds[pair] > len(drawn) / 20


def test_users_do_the_same_at_once_to_rows_of_their_own():
    """Each round has one request of each of several users, and all of one key are about the same."""
    pairs = collections.Counter()
    aimed = met = 0
    for program in (drawn := draw(Neighbours)):
        for r in program.rounds:
            assert all(len(lane) == 1 for lane in r.lanes.values())
            assert len({session[:2] for session in r.lanes}) == len(r.lanes)
            (first,), *others = r.lanes.values()
            scans = (Select, Count)
            of_a_key = [step.op for (step,) in r.lanes.values() if not isinstance(step.op, scans)]
            assert len({key for op in of_a_key for key in keys(op)}) <= 1
            for (step,) in others:
                pairs[type(first.op), type(step.op)] += 1
                assert not step.at_write or not isinstance(first.op, (*scans, Get))
                aimed += step.at_write
                met += 1
    for kind in (Insert, Update, Select, Count, Get, Delete):
        assert pairs[kind, kind] > len(drawn) / 20
    assert met / 4 < aimed < met


def test_a_key_is_inserted_once_by_each_user():
    """A second insert of a row that is there would be refused, and races nothing."""
    for program in draw(Neighbours):
        inserted = [
            (session[:2], key)
            for r in program.rounds
            for session, lane in r.lanes.items()
            for step in lane
            if isinstance(step.op, Insert)
            for key in keys(step.op)
        ]
        assert len(inserted) == len(set(inserted))


def keys(op):
    return {row[0] for row in op.rows} if isinstance(op, Insert) else {op.key}


def test_every_program_of_crashes_has_an_outage():
    """One without is a program of another machine; on a target without crashes none is drawn."""
    outages = [sum(isinstance(op, (Kill, Restart)) for op in steps(p)) for p in draw(Crashes)]
    assert min(outages) == 1
    assert max(outages) == Crashes.max_outages


def test_acknowledged_writes_of_several_users_are_hot_when_the_server_goes_down():
    """Most programs have a round of them, with no flush between it and the outage: what may be lost."""
    users = []
    for program in (drawn := draw(Crashes)):
        written = set()
        most = 0
        for r in program.rounds:
            ops = [(session[:2], step.op) for session, lane in r.lanes.items() for step in lane]
            if any(isinstance(op, (Kill, Restart)) for _, op in ops):
                most, written = max(most, len(written)), set()
            elif any(isinstance(op, (Flush, AwaitFlush)) for _, op in ops):
                written = set()
            else:
                written |= {user for user, op in ops if isinstance(op, Insert)}
        users.append(most)
    assert sum(most > 0 for most in users) > len(drawn) / 2
    assert sum(most > 2 for most in users) > len(drawn) / 8


def test_only_the_lossy_network_loses(programs, request):
    """A network fault makes outcomes open, and checks weaker: it has a machine of its own."""
    faults = sum(
        step.net is not None for p in programs for r in p.rounds for lane in r.lanes.values() for step in lane
    )
    if request.node.callspec.params["programs"] == "lossy-network":
        assert len(programs) / 4 < faults < 3 * len(programs)
    else:
        assert faults == 0


def test_a_step_that_was_left_out_takes_no_release_point_of_another():
    """`when` is about the step that was just added, if it was."""

    class Timed(FlushRaces):
        @rule()
        def timed(self):
            self.add(Select("t"), 0, join=False)
            self.add(Count("t"), 0, join=True)
            self.when(Release(us=77))

    drawn = draw(Timed, without=frozenset({"count"}))
    released = [step.release for p in drawn for r in p.rounds for lane in r.lanes.values() for step in lane]
    assert Release(us=77) not in released


def test_what_is_left_out_is_not_drawn():
    """A known finding's trigger can be kept out of later programs."""
    without = frozenset({"flush", "delete"})
    kinds = {type(op).__name__ for p in draw(FlushRaces, without=without) for op in steps(p)}
    assert "Insert" in kinds
    assert not kinds & {"Flush", "Delete"}


def test_a_race_may_find_nothing_but_its_flush():
    """The first round of a program: no row was deleted yet that could be inserted again."""
    machine = Updates()
    nothing = Action(Updates.race_kinds.index("reinsert"), session=0, key=0, size=Size(0, 1), moment=0)
    machine.race([nothing, nothing], "command")
    assert steps(machine.program()) == [Flush("t")]


def test_a_user_adds_rules_by_subclassing():
    """The machines are public: a subclass with one rule draws it among the others."""

    class WithMyRule(FlushRaces):
        @rule(session=SESSIONS, rows=st.integers(1, 2))
        def insert_then_count(self, session, rows):
            self.insert(session, Size(0, rows))
            self.add(Count("t"), session, join=False)

    assert any(
        isinstance(first, Insert) and isinstance(second, Count)
        for p in draw(WithMyRule)
        for first, second in zip(steps(p), steps(p)[1:], strict=False)
    )


def test_an_aborted_draw_is_not_run():
    """Hypothesis tears down draws that it gave up; half programs must not reach a server."""

    class Failing(FlushRaces):
        @rule()
        def fail(self):
            self.add(Select("t"), 0, join=False)
            raise ZeroDivisionError

    drawn = []
    with pytest.raises(ZeroDivisionError):
        run_state_machine_as_test(bind(Failing, drawn.append), settings=QUIET)
    assert all(not isinstance(steps(p)[-1], Select) or len(steps(p)) > 0 for p in drawn)
