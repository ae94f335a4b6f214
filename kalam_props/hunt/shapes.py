"""The few ways in which a handful of steps can meet a flush, and each other: first guesses of a shrinker.

What an expert writes by hand is nearly always one of these: the steps in turn, the last one beside the
others, each with the flush asked for by a command or by a policy of one row. They cost little to try, and
from one that fails the reductions have little left to do. A guess that fails is a program like any other:
nothing is taken for a reproduction because it was guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from attrs import evolve

from kalam_props.history.operations import (
    READS,
    WRITES,
    AwaitFlush,
    Flush,
    Insert,
    Kill,
    Operation,
    Recreate,
    Restart,
    parts,
    row_versions,
)
from kalam_props.hunt.size import size
from kalam_props.hunt.structure import (
    Place,
    distinct,
    keys_of,
    operation_at,
    places,
    step_at,
    steps_of,
    tables_of,
)
from kalam_props.programs.model import Program, Round, Session, Step, user_of
from kalam_props.programs.tables import predecessors

MOST_STEPS = 4
"""A core of more steps is no handful; its last write and what shows it is."""

_NO_WRITES = (*READS, Kill, Restart)

_FEW_WRITES = 2

_Line: TypeAlias = tuple[tuple[Session, Step], ...]
_Rounds: TypeAlias = tuple[Round, ...]


def shapes(program: Program, core: Sequence[Place], key: object = None) -> list[Program]:
    """The core of a program in each shape, plainest first; places in a flush or a write as they were.

    Those with fewer operations come first, then those with fewer rows.

    Args:
        program: the one that failed.
        core: places of the steps that matter, in order (see `cuts.core`).
        key: of the row that matters, where one is known.

    """
    known = [
        shape
        for some in _handfuls(program, _line(program, core), key)
        for rows in ((1, 2) if _has_a_batch(some) else (1,))
        for handful in _with_other_rows(program, _with_rows(program, some, rows, key))
        for shape in _arranged(program, handful)
    ]
    beside = (*_beside_rivals(program, core, key), *_beside_readers(program, core, key))
    possible = distinct(map(_without_names_before, (*known, *beside)))
    return sorted((shape for shape in possible.values() if shape.tables), key=lambda shape: size(shape)[:2])


def _without_names_before(program: Program) -> Program:
    """Of tables that had one name only those to which something is done, and what those took the place of."""
    done = [step.op for step in steps_of(program)]
    named = set().union(*map(tables_of, done))
    for op in done:
        if isinstance(op, Recreate) and named.isdisjoint(replaced := predecessors(program, op.table)):
            named.update(replaced[-1:])
    names = Counter(table.place(name) for name, table in program.tables.items())
    kept = {
        name: table
        for name, table in program.tables.items()
        if name in named or names[table.place(name)] == 1
    }
    return evolve(program, tables=kept)


def _beside_rivals(program: Program, core: Sequence[Place], key: object) -> Iterator[Program]:
    """Its writes, the last one beside what it ran beside that may have a part in it, one of each kind.

    A witness names what a race undid, and not by what: of a deleted row that is back, the delete and a read;
    of a row in another user's table, its insert and what shows it. So another write of the same row, and what
    another user asked for.
    """
    writes = [place for place in core if not isinstance(operation_at(program, place), _NO_WRITES)]
    if not 0 < len(writes) < MOST_STEPS:
        return
    unflushed = _unflushed(program)
    for rival in _rivals(program, writes, key):
        line = _with_rows(program, _line(program, (*writes, rival)), 1, key)
        yield unflushed.with_rounds(_last_two_at_once(line))


def _beside_readers(program: Program, core: Sequence[Place], key: object) -> Iterator[Program]:
    """Its writes and one of its reads, beside one of its kind by another user: answers may be swapped."""
    reads = [place for place in core if isinstance(operation_at(program, place), READS)]
    writes = [place for place in core if place not in reads]
    unflushed = _unflushed(program)
    for read in reads:
        kind = type(operation_at(program, read))
        others = (
            place
            for place in _beside(program, read)
            if user_of(place[1]) != user_of(read[1]) and isinstance(operation_at(program, place), kind)
        )
        other = next(others, None)
        if other is None:
            continue
        race = _line(program, (read, other))
        for some in _handfuls(program, _line(program, writes), key):
            if len(some) <= MOST_STEPS - len(race):
                yield unflushed.with_rounds(_last_two_at_once(_with_rows(program, (*some, *race), 1, key)))


def _rivals(program: Program, writes: Sequence[Place], key: object) -> Iterator[Place]:
    """What the last write ran beside: writes of its row, requests of other users; the first of each kind."""
    _, session, _ = writes[-1]
    table = getattr(operation_at(program, writes[-1]), "table", None)
    seen: set[tuple[bool, type[Operation]]] = set()
    for place in _beside(program, writes[-1]):
        op = operation_at(program, place)
        if place in writes:
            continue
        foreign = user_of(place[1]) != user_of(session)
        same_row = getattr(op, "table", None) == table and key is not None and key in keys_of(program, op)
        rival = isinstance(op, (*READS, *WRITES)) if foreign else same_row and not isinstance(op, READS)
        if rival and (foreign, type(op)) not in seen:
            seen.add((foreign, type(op)))
            yield place


def _beside(program: Program, place: Place) -> Iterator[Place]:
    """The steps of other lanes in the round of a step."""
    return (other for other in places(program) if other[0] == place[0] and other[1] != place[1])


def _line(program: Program, core: Sequence[Place]) -> _Line:
    """The steps, each in its user's first session; a kill or restart, which is nobody's, in that before it.

    Delays within the round that they were in mean nothing here; places in a flush or a write do.
    """
    line: list[tuple[Session, Step]] = []
    for place in core:
        step = _not_aimed_at(step_at(program, place), "round", "previous")
        nobodys = line and isinstance(step.op, (Kill, Restart))
        line.append((line[-1][0] if nobodys else f"{user_of(place[1])}/1", step))
    return tuple(line)


def _handfuls(program: Program, line: _Line, key: object) -> Iterator[_Line]:
    """Its writes, for the reads after every program may show it as well; with one of its reads; all of it.

    Of more steps than a handful, those that write the row in question, or the last insert, with what brings
    the server down; those and the last read.
    """
    writes = tuple(placed for placed in line if not isinstance(placed[1].op, READS))
    reads = [placed for placed in line if isinstance(placed[1].op, READS)]
    with_one = [tuple(p for p in line if p in writes or p is read) for read in reads]
    handfuls = [writes, *with_one, line]
    if len(line) > MOST_STEPS:
        about = [placed for placed in writes if key is not None and key in keys_of(program, placed[1].op)]
        about = about or [placed for placed in writes if isinstance(placed[1].op, Insert)][-1:]
        kept = tuple(p for p in writes if p in about or isinstance(p[1].op, (Kill, Restart, Recreate)))
        handfuls += [kept, (*kept, *reads[-1:])]
    for handful in handfuls:
        for variant in _with_and_without_recreates(program, handful):
            yield from (some for some in _one_end_each(variant) if 0 < len(some) <= MOST_STEPS)


def _with_and_without_recreates(program: Program, line: _Line) -> Iterator[_Line]:
    """The line; and without what creates tables again, and all that was done to those before."""
    yield line
    again = [step.op.table for _, step in line if isinstance(step.op, Recreate)]
    if again:
        gone = {earlier for table in again for earlier in predecessors(program, table)}
        yield tuple(
            (session, step)
            for session, step in line
            if not isinstance(step.op, Recreate) and getattr(step.op, "table", None) not in gone
        )


def _one_end_each(line: _Line) -> Iterator[_Line]:
    """Without what brings the server down, which may have no part in it; with one of both; the line."""
    kinds = {type(step.op) for _, step in line} & {Kill, Restart}
    if kinds:
        yield tuple(placed for placed in line if not isinstance(placed[1].op, (Kill, Restart)))
    if len(kinds) > 1:
        for kind in kinds:
            yield tuple(placed for placed in line if not isinstance(placed[1].op, kind))
    yield line


def _with_other_rows(program: Program, line: _Line) -> Iterator[_Line]:
    """The line; if it writes one row only, also after an insert of another user, or, once, of another key.

    A flush that the one row is not in needs something else to do; a row that another user's read shows is
    seen by that user only if something is there to read; and keys that should not meet are the same key,
    where another user inserts it.
    """
    yield line
    session, first = line[0]
    changes = [step.op for _, step in line[1:] if not isinstance(step.op, READS)]
    written = keys_of(program, first.op).union(*(keys_of(program, op) for op in changes))
    if not isinstance(first.op, Insert) or (changes and len(written) > 1):
        return
    at = program.tables[first.op.table].key_index
    taken = {row[at] for row in first.op.rows}
    owner = user_of(session)
    inserted = [
        (user_of(place[1]), op, row)
        for place in places(program)
        if isinstance(op := operation_at(program, place), Insert) and op.table == first.op.table
        for row in op.rows
    ]
    # What changed the row is something else to do.
    own = [] if changes else [one for one in inserted if one[0] == owner and one[2][at] not in taken]
    others = [one for one in inserted if one[0] != owner]
    for choice in (own, others):
        if choice:
            user, op, row = min(choice, key=lambda one: one[2][at] not in taken)
            yield ((f"{user}/1", Step(evolve(op, rows=(row,), statements=None))), *line)


def _arranged(program: Program, line: _Line) -> Iterator[Program]:
    """A line in every shape, with each kind of flush that the program has."""
    tables = {op.table for _, step in line for op in parts(step.op) if isinstance(op, Insert)}
    by_policy = {name for name in tables if program.tables[name].flush_rows is not None}
    by_command = any(isinstance(operation_at(program, place), Flush) for place in places(program))
    unflushed = _unflushed(program)
    unaimed = tuple((session, _not_aimed_at(step, "flush")) for session, step in line)
    for rounds in _without_a_command(unaimed):
        yield unflushed.with_rounds(rounds)
    if by_policy:
        for due in sorted({1, sum(map(_rows, line))}):
            flushed = _with_policies(unflushed, by_policy, due)
            for rounds in (*_without_a_command(line), *_awaiting(line)):
                yield flushed.with_rounds(rounds)
        # A flush that finds the versions of a row together.
        versions = sum(row_versions(step.op) for _, step in line)
        yield _with_policies(unflushed, by_policy, versions).with_rounds(_in_turn(line))
    if by_command and tables:
        for rounds in _with_commands(line, Flush(min(tables))):
            yield unflushed.with_rounds(rounds)


def _without_a_command(line: _Line) -> Iterator[_Rounds]:
    """In turn; the last step beside the others; the last two at once; a read by two users at once."""
    yield _in_turn(line)
    if _goes_down(line):
        return  # each run takes long; where it matters when a server goes down, larger cuts have it
    owner, (reader, read) = line[0][0], line[-1]
    if isinstance(read.op, READS) and user_of(owner) != user_of(reader):
        yield (*_in_turn(line[:-1]), _race(((owner, read),), line[-1:]))
    if len(line) > 1 and len({session for session, _ in line[:-1]}) == 1:
        yield (_race(line[:-1], line[-1:]),)
    if len(line) > 2:
        yield _last_two_at_once(line)


def _goes_down(line: _Line) -> bool:
    return any(isinstance(step.op, (Kill, Restart)) for _, step in line)


def _awaiting(line: _Line) -> Iterator[_Rounds]:
    """In turn, each insert flushed before what follows."""
    waiting: list[tuple[Session, Step]] = []
    for session, step in line:
        waiting.append((session, step))
        if isinstance(step.op, Insert):
            waiting.append((session, Step(AwaitFlush(step.op.table))))
    yield _in_turn(tuple(waiting[:-1]) if isinstance(waiting[-1][1].op, AwaitFlush) else tuple(waiting))


def _with_commands(line: _Line, op: Flush) -> Iterator[_Rounds]:
    """A flush after all steps, before the last, and both; what follows one can be placed in it.

    Where the server goes down, also one that is over before the inserted rows are changed: what was flushed
    may come back.
    """
    flush = ((line[0][0], Step(op)),)
    changes = next((at for at, (_, step) in enumerate(line) if not isinstance(step.op, Insert)), len(line))
    if 0 < changes < len(line) - 1 and _goes_down(line):
        waited = (line[0][0], Step(AwaitFlush(op.table)))
        yield _in_turn((*line[:changes], *flush, waited, *line[changes:]))
    yield _in_turn((*line, *flush))
    if len(line) > 1:
        yield _in_turn((*line[:-1], *flush, *line[-1:]))
        yield _in_turn((*line[:-1], *flush, *line[-1:], *flush))


def _in_turn(line: _Line) -> _Rounds:
    """One lane for steps of one session that follow each other; what makes a table anew, alone."""
    rounds: list[Round] = []
    alone = False
    for session, aimed in line:
        step = _not_aimed_at(aimed, "write", "answer")
        was_alone, alone = alone, isinstance(step.op, Recreate)
        if rounds and session in rounds[-1].lanes and not (alone or was_alone):
            rounds[-1] = Round({session: (*rounds[-1].lanes[session], step)})
        else:
            rounds.append(Round({session: (step,)}))
    return tuple(rounds)


def _last_two_at_once(line: _Line) -> _Rounds:
    return (*_in_turn(line[:-2]), _race(line[-2:-1], line[-1:]))


def _not_aimed_at(step: Step, *anchors: str) -> Step:
    """Without such a release point: nothing of the kind is there to meet."""
    return evolve(step, release=None) if step.anchor in anchors else step


def _race(first: _Line, second: _Line) -> Round:
    """Two lanes; of one user they are two sessions."""
    one, other = first[0][0], second[0][0]
    if one == other:
        other = f"{user_of(other)}/2"
    return Round({one: tuple(step for _, step in first), other: tuple(step for _, step in second)})


def _unflushed(program: Program) -> Program:
    """With nothing that is flushed by row count."""
    return _with_policies(program, set(program.tables), None)


def _with_policies(program: Program, tables: set[str], rows: int | None) -> Program:
    changed = {
        name: evolve(table, flush_rows=rows) if name in tables else table
        for name, table in program.tables.items()
    }
    return evolve(program, tables=changed)


def _with_rows(program: Program, line: _Line, most: int, key: object) -> _Line:
    """Its inserts with one row, the last batch with so many: first those of keys that other steps name."""
    keys = [keys_of(program, step.op) for _, step in line]
    batch = max((at for at, placed in enumerate(line) if _rows(placed) > 1), default=None)

    def cut(at: int, step: Step) -> Step:
        if not isinstance(step.op, Insert):
            return step
        named = {key}.union(*(own for other, own in enumerate(keys) if other != at))
        index = program.tables[step.op.table].key_index
        rows = sorted(step.op.rows, key=lambda row: row[index] not in named)[: most if at == batch else 1]
        return evolve(step, op=evolve(step.op, rows=tuple(rows), statements=None))

    return tuple((session, cut(at, step)) for at, (session, step) in enumerate(line))


def _has_a_batch(line: _Line) -> bool:
    """Whether one of few writes has several rows, which may be what matters."""
    writes = [placed for placed in line if not isinstance(placed[1].op, _NO_WRITES)]
    return len(writes) <= _FEW_WRITES and any(_rows(placed) > 1 for placed in writes)


def _rows(placed: tuple[Session, Step]) -> int:
    """The rows that a step inserts."""
    return len(placed[1].op.rows) if isinstance(placed[1].op, Insert) else 0
