"""For every anomaly: a history that shows it, with its witness, and one just inside of the line.

The notation is that of `recorded`: process, interval in milliseconds, operation, answer.
"""

from __future__ import annotations

import pytest
from recorded import MS, told

from kalam_props.checks.judge import judge, names
from kalam_props.history.events import FlushRun, NetFault, Notify, ServerEvent

# name: (why, history, names that count, witness of the first)
VIOLATED = {
    "corrupt row: shown before the value was set, and inserted again later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> 1=b
        u0/1 4-5 update 1=b     -> ok 1
        u0/1 6-7 delete 1       -> ok 1
        u0/1 8-9 insert 1=b     -> ok 1
        """,
        ("corrupt-row",),
        (1, 3),
    ),
    "foreign row: only u1 wrote it": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u1/1 2-3 insert 1=b     -> ok 1
        u0/1 4-5 select         -> 1=b
        """,
        ("foreign-row",),
        (3, 5),
    ),
    "foreign row: a key that the reader never wrote": (
        """
        u1/1 2-3 insert 7=b     -> ok 1
        u0/1 4-5 get 7          -> 7=b
        """,
        ("foreign-row",),
        (1, 3),
    ),
    "foreign row: beside the own one of the same key": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u1/1 0-1 insert 1=b     -> ok 1
        u0/1 4-5 select         -> 1=a 1=b
        """,
        ("foreign-row",),
        (2, 5),
    ),
    "foreign row: the value that another user's update set": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u1/1 0-1 insert 1=b     -> ok 1
        u1/1 2-3 update 1=c     -> ok 1
        u0/1 4-5 get 1          -> 1=c
        """,
        ("foreign-row",),
        (5, 7),
    ),
    "lost row: acknowledged, and in no later read": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 2
        u0/1 2-3 select         -> 1=a
        """,
        ("lost-row",),
        (1, 3),
    ),
    "lost row: seen once, then gone for good": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> 1=a
        u0/1 4-5 select         -> none
        u0/1 6-7 get 1          -> none
        """,
        ("lost-row",),
        (1, 3, 5),
    ),
    "lost row: of unknown outcome, but a read had shown it": (
        """
        u0/1 0-1 insert 1=a     -> info
        u0/1#2 2-3 select       -> 1=a
        u0/1#2 4-5 select       -> none
        """,
        ("lost-row",),
        (3, 5),
    ),
    "lost row: the delete came only later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 get 1          -> none
        u0/1 4-5 delete 1       -> ok
        """,
        ("lost-row",),
        (1, 3),
    ),
    "lost row: in a shared table, for another user": (
        """
        u0/1 0-1 insert@s 1=a   -> ok 1
        u1/1 2-3 select@s       -> none
        """,
        ("lost-row",),
        (1, 3),
    ),
    "lost row: on a complete page": (
        """
        u0/1 0-1 insert 1=a 2=b 3=c     -> ok 3
        u0/1 2-3 select after 1 limit 5 -> 3=c
        """,
        ("lost-row",),
        (1, 3),
    ),
    "stale read: missing, there later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> none
        u0/1 4-5 select         -> 1=a
        """,
        ("stale-read",),
        (1, 3, 5),
    ),
    "flickering row: seen, then not, then seen": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> 1=a
        u0/1 4-5 select         -> none
        u0/1 6-7 select         -> 1=a
        """,
        ("flickering-row",),
        (1, 3, 5, 7),
    ),
    "flickering row: of an insert that is still open": (
        """
        u0/1 0-9 insert 1=a     -> ok 1
        u0/2 1-2 get 1          -> 1=a
        u0/2 3-4 get 1          -> none
        u0/2 5-6 get 1          -> 1=a
        """,
        ("flickering-row",),
        (2, 4, 6),
    ),
    "phantom row: nobody wrote it": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> 1=a 2=b
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: written to another table": (
        """
        u0/1 0-1 insert@s 1=a   -> ok 1
        u0/1 2-3 select         -> 1=a
        """,
        ("phantom-row",),
        (1, 3),
    ),
    "phantom row: changed in another table": (
        """
        u0/1 0-1 insert@s 1=b   -> ok 1
        u0/1 2-3 update@s 1=a   -> ok 1
        u0/1 4-5 select         -> 1=a
        """,
        ("phantom-row",),
        (3, 5),
    ),
    "phantom row: written to another table, its key inserted later": (
        """
        u0/1 0-1 insert@s 1=a   -> ok 1
        u0/1 2-3 select         -> 1=a
        u0/1 4-5 insert 1=b     -> ok 1
        """,
        ("phantom-row",),
        (1, 3),
    ),
    "phantom row: of the same key as one in another table, and of another value": (
        """
        u0/1 0-1 insert@s 1=b   -> ok 1
        u0/1 2-3 select         -> 1=a
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: of one value of one in another table, and of another one": (
        """
        u0/1 0-1 insert@s 1=a   -> ok 1
        u0/1 2-3 select         -> 1=a:7
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: an update in another table changed nothing": (
        """
        u0/1 0-1 update@s 1=a   -> ok 0
        u0/1 2-3 select         -> 1=a
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: of numbers only, in two tables": (
        """
        u0/1 0-1 insert@s 1=~:7 -> ok 1
        u0/1 2-3 select         -> 1=~:7
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: an update of this user had no row, and another's insert is of other numbers": (
        """
        u0/1 0-1 update 1=a     -> ok 0
        u1/1 0-1 insert 1=a     -> ok 1
        u0/1 4-5 select         -> 1=a:5
        """,
        ("phantom-row",),
        (5,),
    ),
    "phantom row: written to another table only later": (
        """
        u0/1 0-1 select         -> 1=a
        u0/1 2-3 insert@s 1=a   -> ok 1
        """,
        ("phantom-row",),
        (1,),
    ),
    "phantom row: its insert was invoked only later": (
        """
        u0/1 0-1 select         -> 1=a
        u0/1 2-3 insert 1=a     -> ok 1
        """,
        ("phantom-row",),
        (1, 3),
    ),
    "duplicate row: one key twice in an answer": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> 1=a 1=a
        """,
        ("duplicate-row",),
        (3,),
    ),
    "duplicate row: in an old and a new version": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 select         -> 1=a 1=b
        """,
        ("duplicate-row",),
        (5,),
    ),
    "corrupt row: a value that nobody wrote": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 get 1          -> 1=x
        """,
        ("corrupt-row",),
        (1, 3),
    ),
    "corrupt row: the value of another row": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 2
        u0/1 2-3 select         -> 1=b 2=b
        """,
        ("corrupt-row",),
        (1, 3),
    ),
    "corrupt row: a value that became NULL": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 get 1          -> 1=~
        """,
        ("corrupt-row",),
        (1, 3),
    ),
    "corrupt row: columns of two versions": (
        """
        u0/1 0-1 insert 1=a:1     -> ok 1
        u0/1 2-3 update 1=b:2     -> ok 1
        u0/2 2-5 select           -> 1=a:2
        """,
        ("corrupt-row",),
        (1, 3, 4),
    ),
    "corrupt row: an increment counted twice": (
        """
        u0/1 0-1 insert 1=a:0     -> ok 1
        u0/1 2-3 increment 1      -> ok 1
        u0/1 4-5 get 1            -> 1=a:2
        """,
        ("corrupt-row",),
        (1, 3, 5),
    ),
    "corrupt row: a get that answers another key": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 2
        u0/1 2-3 get 1          -> 2=b
        """,
        ("corrupt-row",),
        (3,),
    ),
    "torn batch: half of a statement that is still open": (
        """
        u0/1 0-9 insert 1=a 2=b -> ok 2
        u0/2 2-3 select         -> 1=a
        u0/2 4-5 select         -> 1=a 2=b
        """,
        ("torn-batch",),
        (1, 2),
    ),
    "torn batch: half of a statement of unknown outcome": (
        """
        u0/1 0-1 insert 1=a 2=b -> info
        u0/2 2-3 select         -> 1=a
        """,
        ("torn-batch",),
        (1, 3),
    ),
    "torn batch: of a transaction": (
        """
        u0/1 0-9 txn insert 1=a; insert 2=b -> ok
        u0/2 2-3 select                     -> 2=b
        """,
        ("torn-batch",),
        (1, 2),
    ),
    "resurrected row: deleted, and there again": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> ok 1
        u0/1 4-5 select         -> 1=a
        """,
        ("resurrected-row",),
        (3, 5),
    ),
    "resurrected row: seen before its delete and long after": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 get 1          -> 1=a
        u0/1 4-5 delete 1       -> ok 1
        u0/1 6-7 get 1          -> none
        u0/1 8-9 get 1          -> 1=a
        """,
        ("resurrected-row",),
        (5, 9),
    ),
    "failed but visible: the row of a refused insert": (
        """
        u0/1 0-1 insert 1=a     -> fail invalid
        u0/1 2-3 select         -> 1=a
        """,
        ("failed-but-visible",),
        (1, 3),
    ),
    "failed but visible: the value of a refused update": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> fail conflict
        u0/1 4-5 get 1          -> 1=b
        """,
        ("failed-but-visible",),
        (3, 5),
    ),
    "failed but visible: gone, though its delete was refused": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> fail conflict
        u0/1 4-5 get 1          -> none
        """,
        ("failed-but-visible",),
        (1, 3, 5),
    ),
    "failed but visible: half of a batch that was refused as a whole": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 1=b 2=c -> fail duplicate-key
        u0/1 4-5 select         -> 1=a 2=c
        """,
        ("failed-but-visible",),
        (3, 5),
    ),
    "phantom row: of the last of three statements, of which one was refused": (
        """
        u0/1 0-1 insert 1=a | 2=b | 3=c -> fail invalid
        u0/1 2-3 select                 -> 1=a 2=b 3=c
        """,
        ("phantom-row",),
        (3,),
    ),
    "phantom row: of a refused statement, gone and there again": (
        """
        u0/1 0-1 insert 1=a | 2=b -> fail invalid
        u0/1 2-3 select           ->
        u0/1 4-5 select           -> 1=a
        """,
        ("phantom-row",),
        (1, 3, 5),
    ),
    "lost update: acknowledged, and never seen": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 get 1          -> 1=a
        u0/1 6-7 get 1          -> 1=a
        """,
        ("lost-update",),
        (3, 5),
    ),
    "lost update: two increments at once, and one counted": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-5 increment 1    -> ok 1
        u0/2 2-5 increment 1    -> ok 1
        u0/1 6-7 select         -> 1=a:1
        """,
        ("lost-update",),
        (3, 4, 7),
    ),
    "lost update: one of several increments, with a value that was never there": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-5 increment 1    -> ok 1
        u0/2 2-5 increment 1    -> ok 1
        u0/1 6-7 update 1=b     -> ok 1
        u0/1 8-9 select         -> 1=b:1
        """,
        ("lost-update",),
        (3, 4, 9),
    ),
    "lost update: three of many changes, the first of them long ago": (
        """
        u0/1 0-1   insert 1=a:0   -> ok 1
        u0/1 2-3   increment 1    -> ok 1
        u0/1 4-5   update 1=b     -> ok 1
        u0/2 4-5   increment 1    -> ok 1
        u0/1 6-7   increment 1    -> ok 1
        u0/1 8-9   update 1=c     -> ok 1
        u0/1 10-11 increment 1    -> ok 1
        u0/2 10-11 increment 1    -> ok 1
        u0/1 12-13 increment 1    -> ok 1
        u0/1 14-15 update 1=d     -> ok 1
        u0/1 16-17 increment 1    -> ok 1
        u0/1 18-19 select         -> 1=a:7
        """,
        ("lost-update",),
        (5, 11, 13, 14, 17, 19, 23),
    ),
    "lost update: one of a text, while increments after it were counted": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 increment 1    -> ok 1
        u0/1 6-7 increment 1    -> ok 1
        u0/1 8-9 select         -> 1=a:2
        """,
        ("lost-update",),
        (3, 9),
    ),
    "lost update: another read saw it, and a change beside it then undid it": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-6 increment 1    -> ok 1
        u0/3 4-7 get 1          -> 1=a:1
        u0/1 10-11 select       -> 1=b:0
        """,
        ("lost-update",),
        (4, 9),
    ),
    "lost update: one that a read saw, of a row that was deleted and inserted beside others": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-5 delete 1       -> ok 1
        u0/2 3-6 insert 1=b:0   -> ok 1
        u0/1 7-13 update 1=c    -> ok 1
        u0/2 8-14 increment 1   -> ok 1
        u0/3 9-12 get 1         -> 1=c:0
        u0/1 15-16 select       -> 1=b:1
        """,
        ("lost-update",),
        (4, 7, 13),
    ),
    "corrupt row: a value that the loss of no change explains, whatever other reads saw": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-6 increment 1    -> ok 1
        u0/3 4-7 get 1          -> 1=a:1
        u0/1 10-11 select       -> 1=b:2
        """,
        ("corrupt-row",),
        (1, 3, 4, 9),
    ),
    "resurrected row: after a transaction that deleted it, as a count in between shows": (
        """
        u0/1 0-1 insert 1=a 2=b       -> ok 2
        u0/1 2-3 txn update 2=c; delete 1 -> ok
        u0/1 4-5 count                -> 1
        u0/1 6-7 select               -> 1=a 2=c
        """,
        ("resurrected-row",),
        (1, 3, 7),
    ),
    "corrupt row: a value that the loss of no increment explains": (
        """
        u0/1 0-1 insert 1=a:0   -> ok 1
        u0/1 2-5 increment 1    -> ok 1
        u0/2 2-5 increment 1    -> ok 1
        u0/1 6-7 select         -> 1=a:3
        """,
        ("corrupt-row",),
        (1, 3, 4, 7),
    ),
    "stale value: an old one, and the right one later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 get 1          -> 1=a
        u0/1 6-7 get 1          -> 1=b
        """,
        ("stale-value",),
        (3, 5, 7),
    ),
    "stale value: read after another reader had the new one": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-4 get 1          -> 1=b
        u0/3 5-6 get 1          -> 1=a
        u0/3 10-11 get 1        -> 1=b
        """,
        ("stale-value",),
        (4, 6, 9),
    ),
    "stale value: an old one, and nobody asked again while the row was there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 get 1          -> 1=a
        u0/1 6-7 delete 1       -> ok 1
        u0/1 8-9 get 1          -> none
        """,
        ("stale-value",),
        (3, 5),
    ),
    "wrongly refused: nobody can have that key": (
        """
        u0/1 0-1 insert 1=a     -> fail duplicate-key
        """,
        ("wrongly-refused",),
        (1,),
    ),
    "wrongly refused: the key was deleted before": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> ok 1
        u0/1 4-5 insert 1=b     -> fail duplicate-key
        """,
        ("wrongly-refused",),
        (3, 5),
    ),
    "wrongly refused: another user's key": (
        """
        u1/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 1=b     -> fail duplicate-key
        """,
        ("wrongly-refused",),
        (3,),
    ),
    "wrongly refused: a batch of which no key is there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 2=b 3=c -> fail duplicate-key
        """,
        ("wrongly-refused",),
        (3,),
    ),
    "wrongly refused: not found, and it must be there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> fail not-found
        """,
        ("wrongly-refused",),
        (1, 3),
    ),
    "wrongly accepted: a second insert of a key that is there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 1=b     -> ok 1
        """,
        ("wrongly-accepted",),
        (1, 3),
    ),
    "wrongly accepted: two inserts of one key at once": (
        """
        u0/1 0-5 insert 1=a     -> ok 1
        u0/2 0-5 insert 1=b     -> ok 1
        """,
        ("wrongly-accepted",),
        (1, 2),
    ),
    "wrongly accepted: one statement that names a key twice": (
        """
        u0/1 0-5 insert 1=a 1=b -> ok 2
        """,
        ("wrongly-accepted",),
        (1,),
    ),
    "wrong affected: two deletes of one row that both say 1": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-5 delete 1       -> ok 1
        u0/2 2-5 delete 1       -> ok 1
        """,
        ("wrong-affected",),
        (3, 4),
    ),
    "wrong affected: an update of a row that must be there says 0": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 0
        """,
        ("wrong-affected",),
        (1, 3),
    ),
    "wrong affected: an insert of two rows that says 1": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 1
        """,
        ("wrong-affected",),
        (1,),
    ),
    "wrong affected: an increment of a row that nobody inserted": (
        """
        u0/1 0-1 increment 1    -> ok 1
        """,
        ("wrong-affected",),
        (1,),
    ),
    "not-atomic scan: two scans that saw two writes in two orders": (
        """
        u0/1 0-20 insert 1=a    -> ok 1
        u0/2 0-20 insert 2=b    -> ok 1
        u0/3 5-6 select         -> 1=a
        u0/4 5-6 select         -> 2=b
        """,
        ("not-atomic-scan",),
        (1, 2, 3, 4),
    ),
    "not-atomic scan: the later write without the earlier one": (
        """
        u0/1 0-5 insert 1=a     -> ok 1
        u0/1 6-7 insert 2=b     -> ok 1
        u0/2 0-9 select         -> 2=b
        """,
        ("not-atomic-scan",),
        (1, 2, 4),
    ),
    "not-atomic scan: an old version of one row and a new one of another": (
        """
        u0/1 0-1 insert 1=a 2=a -> ok 2
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 update 2=b     -> ok 1
        u0/2 2-9 select         -> 1=a 2=b
        """,
        ("not-atomic-scan",),
        (1, 3, 4, 6),
    ),
    "wrong count: fewer than were inserted": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 2
        u0/1 2-3 count          -> 1
        """,
        ("wrong-count",),
        (1, 3),
    ),
    "wrong count: more than can be there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 0-9 insert 2=a     -> ok 1
        u0/1 2-3 count          -> 3
        """,
        ("wrong-count",),
        (4,),
    ),
    "wrong count: of another user's rows": (
        """
        u1/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 count          -> 1
        """,
        ("wrong-count",),
        (3,),
    ),
    "wrong count: it went down though nothing was deleted": (
        """
        u0/1 0-9 insert 1=a     -> ok 1
        u0/2 1-2 count          -> 1
        u0/2 3-4 count          -> 0
        """,
        ("wrong-count",),
        (2, 4),
    ),
    "wrong count: less than an earlier scan had shown": (
        """
        u0/1 0-9 insert 1=a     -> ok 1
        u0/2 0-9 insert 2=a     -> ok 1
        u0/3 1-2 select         -> 1=a 2=a
        u0/3 3-4 count          -> 1
        """,
        ("wrong-count",),
        (3, 5),
    ),
    "server error: without our doing": (
        """
        u0/1 0-1 select         -> info server
        """,
        ("server-error",),
        (1,),
    ),
    "hung: no answer in its five seconds, and nobody held it": (
        """
        u0/1 0-5000 select      -> info timeout
        """,
        ("hung",),
        (1,),
    ),
}

HOLDS = {
    "a value that was set is later inserted again": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 select         -> 1=b
        u0/1 6-7 delete 1       -> ok 1
        u0/1 8-9 insert 1=b     -> ok 1
        """,
    "own row of a key that another user has too": """
        u0/1 0-1 insert 1=a     -> ok 1
        u1/1 2-3 insert 1=b     -> ok 1
        u0/1 4-5 select         -> 1=a
        u1/1 4-5 select         -> 1=b
        """,
    "the same value written by both users": """
        u0/1 0-1 insert 1=a     -> ok 1
        u1/1 2-3 insert 1=a     -> ok 1
        u0/1 4-5 select         -> 1=a
        """,
    "another user's row of a shared table": """
        u1/1 0-1 insert@s 1=b   -> ok 1
        u0/1 2-3 select@s       -> 1=b
        """,
    "missing while its insert touches the read": """
        u0/1 0-2 insert 1=a     -> ok 1
        u0/2 2-3 select         -> none
        """,
    "missing while its delete touches the read": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 select         -> none
        u0/1 3-4 delete 1       -> ok 1
        """,
    "missing on an incomplete page": """
        u0/1 0-1 insert 1=a 2=b          -> ok 2
        u0/1 2-3 select after ~ limit 1  -> 1=a
        u0/1 4-5 select                  -> 1=a incomplete
        """,
    "missing before the beginning of its page": """
        u0/1 0-1 insert 1=a 2=b          -> ok 2
        u0/1 2-3 select after 1 limit 5  -> 2=b
        """,
    "missing after an insert of unknown outcome, seen later": """
        u0/1 0-1 insert 1=a     -> info
        u0/2 2-3 select         -> none
        u0/2 4-5 select         -> 1=a
        """,
    "missing after a delete of unknown outcome": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> info
        u0/2 4-5 select         -> 1=a
        u0/2 6-7 select         -> none
        """,
    "an indeterminate read says nothing": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> info
        """,
    "seen while its insert is open": """
        u0/1 2-9 insert 1=a     -> ok 1
        u0/2 1-2 select         -> 1=a
        """,
    "deleted and inserted again": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> ok 1
        u0/1 4-5 insert 1=b     -> ok 1
        u0/1 6-7 select         -> 1=b
        """,
    "there while its delete touches the read": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-4 delete 1       -> ok 1
        u0/2 4-5 select         -> 1=a
        """,
    "the rows of two statements of one operation come apart": """
        u0/1 0-9 insert 1=a | 2=b -> ok 2
        u0/2 2-3 select           -> 1=a
        """,
    "half of a statement whose other row was deleted": """
        u0/1 0-9 insert 1=a 2=b -> ok 2
        u0/2 2-5 delete 2       -> ok
        u0/3 3-4 select         -> 1=a
        """,
    "what the first of two statements did before the second was refused": """
        u0/1 0-1 insert 1=a       -> ok 1
        u0/1 2-3 insert 2=b | 1=c -> fail duplicate-key
        u0/1 4-5 select           -> 1=a 2=b
        """,
    "what the first of three statements did before another was refused, seen by two later reads": """
        u0/1 0-1 insert 1=a | 2=b | 3=c -> fail invalid
        u0/1 2-3 select                 -> 1=a
        u0/1 4-5 select                 -> 1=a
        """,
    "nothing of it, where the first one was refused": """
        u0/1 0-1 insert 1=a | 2=b | 3=c -> fail invalid
        u0/1 2-3 select                 ->
        """,
    "a refused batch leaves nothing": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 1=b 2=c -> fail duplicate-key
        u0/1 4-5 select         -> 1=a
        """,
    "the new value while its update is open": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-4 get 1          -> 1=a
        u0/2 5-6 get 1          -> 1=b
        """,
    "two updates at once, and either value": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-5 update 1=b     -> ok 1
        u0/2 2-5 update 1=c     -> ok 1
        u0/1 6-7 get 1          -> 1=b
        """,
    "an increment that a client sent twice": """
        u0/1 0-1 insert 1=a:0     -> ok 1
        u0/1 2-3x2 increment 1    -> ok 1
        u0/1 4-5 get 1            -> 1=a:2
        """,
    "an increment of NULL changes nothing": """
        u0/1 0-1 insert 1=a:~     -> ok 1
        u0/1 2-3 increment 1      -> ok 0
        u0/1 4-5 get 1            -> 1=a:~
        """,
    "an update that changes nothing may answer 0": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=a     -> ok 0
        u0/1 4-5 update 1=a     -> ok 1
        """,
    "two deletes at once, of which one says 0": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-5 delete 1       -> ok 1
        u0/2 2-5 delete 1       -> ok 0
        """,
    "refused while another insert of the key is open": """
        u0/1 0-5 insert 1=a     -> info
        u0/2 2-4 insert 1=b     -> fail duplicate-key
        """,
    "refused because the statement names a key twice": """
        u0/1 0-5 insert 1=a 1=b -> fail duplicate-key
        """,
    "accepted between a delete and the end of time": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-5 delete 1       -> ok 1
        u0/2 4-9 insert 1=b     -> ok 1
        """,
    "two scans that saw two writes in one order": """
        u0/1 0-20 insert 1=a    -> ok 1
        u0/2 0-20 insert 2=b    -> ok 1
        u0/3 5-6 select         -> 1=a
        u0/4 5-6 select         -> 1=a 2=b
        """,
    "a count anywhere between what must and what may be there": """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 0-9 insert 2=a     -> ok 1
        u0/3 0-9 insert 3=a     -> info
        u0/1 2-3 count          -> 2
        u0/1 4-5 count          -> 2
        u0/1 10-11 count        -> 3
        """,
    "wire times settle what event times leave open": """
        u0/1 0-9[1,2] insert 1=a -> ok 1
        u0/2 0-9[3,4] select     -> 1=a
        """,
    "a flush that had nothing to do": """
        u0/1 0-1 flush          -> fail conflict
        """,
    "an insert that was refused for its form": """
        u0/1 0-1 insert 1=a     -> fail invalid
        u0/1 2-3 select         -> none
        """,
    "a lost connection may be the network's": """
        u0/1 0-1 select         -> info connection
        """,
    "a deadline that was shorter than our patience": """
        u0/1 0-4 select         -> info timeout
        """,
    "a transaction is seen whole": """
        u0/1 0-9 txn insert 1=a; insert 2=b -> ok
        u0/2 2-3 select                     -> none
        u0/2 4-5 select                     -> 1=a 2=b
        """,
}


@pytest.mark.parametrize("name", VIOLATED)
def test_each_anomaly_is_found_by_its_name(name):
    """The history is condemned for exactly this, and the witness is the operations that prove it."""
    text, expected, witness = VIOLATED[name]
    verdict = judge(told(text))
    assert names(verdict) == expected, verdict.anomalies
    assert verdict.verdict == "violated"
    assert set(verdict.anomalies[0].witness) == set(witness), verdict.anomalies[0]
    assert verdict.anomalies[0].witness == tuple(sorted(witness))
    assert all(f"#{i}" in verdict.anomalies[0].explanation for i in witness)


@pytest.mark.parametrize("name", HOLDS)
def test_a_history_inside_of_the_line_holds(name):
    """What a correct server may do is not condemned."""
    verdict = judge(told(HOLDS[name]))
    assert verdict.verdict == "holds", verdict.anomalies
    assert verdict.anomalies == ()


KILL = ServerEvent(1, 2 * MS, "killed")
HEALTHY = ServerEvent(2, 3 * MS, "healthy")


def test_a_row_that_a_killed_server_forgot_is_lost_after_crash():
    """Acknowledged before the kill, and gone after it."""
    verdict = judge(
        told("u0/1 0-1 insert 1=a -> ok 1\nu0/1 4-5 select -> none\nu0/1 6-7 select -> none", KILL, HEALTHY)
    )
    assert names(verdict) == ("lost-after-crash",)
    assert verdict.anomalies[0].witness == (1, 5)


def test_a_row_that_was_lost_before_the_kill_is_a_lost_row():
    """The crash explains only what was still there."""
    verdict = judge(
        told("u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 get 1 -> none", ServerEvent(1, 4 * MS, "killed"))
    )
    assert names(verdict) == ("lost-row",)


def test_an_insert_that_a_kill_cut_off_may_be_there_or_not():
    """Its outcome is open, and nobody is blamed for the lost connection."""
    for rows in ("none", "1=a"):
        text = f"u0/1 0-2 insert 1=a -> info connection\nu0/1#2 4-5 select -> {rows}"
        assert judge(told(text, KILL, HEALTHY)).verdict == "holds"


def test_a_server_that_ends_by_itself_died():
    """With the operations that were open."""
    verdict = judge(told("u0/1 0-3 select -> info connection", ServerEvent(1, 2 * MS, "died", "signal 11")))
    assert names(verdict) == ("server-died",)
    assert "signal 11" in verdict.anomalies[0].explanation


def test_what_we_did_to_the_network_is_not_held_against_the_server():
    """A stalled or cut request neither hangs nor fails by the server's fault."""
    stalled = NetFault(1, 1 * MS, 1, "stall")
    assert judge(told("u0/1 0-9000 select -> info timeout", stalled)).verdict == "holds"
    assert judge(told("u0/1 0-9000 select -> info server", stalled)).verdict == "holds"


def test_a_connection_lost_behind_the_gate_is_the_servers():
    """The gate knows that the request was forwarded and that it did not cut it."""
    assert names(judge(told("u0/1 0-5[1,?] select -> info connection"))) == ("server-error",)
    told_only = judge(told("u0/1 0-5 select -> info connection"))
    assert told_only.verdict == "holds"
    assert [anomaly.name for anomaly in told_only.told] == ["server-error"]


def test_errors_while_the_server_restarts_are_ours():
    """From the kill until it is healthy again."""
    verdict = judge(told("u0/1 1-3 select -> info server\nu1/1 0-9 kill -> ok", KILL, HEALTHY))
    assert verdict.verdict == "holds"


def test_a_flush_is_no_write():
    """It changes where rows live, never what they are."""
    flush = FlushRun(1, 5 * MS, "t", "j", (2 * MS, 2 * MS), (3 * MS, 3 * MS), rows=1)
    text = "u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 flush -> ok\nu0/1 4-5 select -> 1=a"
    assert judge(told(text, flush)).verdict == "holds"


SUBSCRIBED = """
    u0/1 0-1 subscribe      -> ok
    u0/2 2-3 insert 1=a     -> ok 1
    u1/1 2-3 insert 1=b     -> ok 1
    u0/2 4-5 update 1=c     -> ok 1
    u0/2 6-7 update 1=d     -> ok 1
    u0/2 8-9 delete 1       -> ok 1
    """
A, B, C, D = (1, "a", 0), (1, "b", 0), (1, "c", 0), (1, "d", 0)
TOLD_RIGHT = [(4, "insert", A), (5, "update", C), (7, "update", D), (9, "delete", D)]


def _notified(notes):
    events = [
        Notify(
            n,
            t * MS,
            1,
            change,
            rows=None if change == "delete" else (row,),
            old=(row,) if change == "delete" else None,
        )
        for n, (t, change, row) in enumerate(notes)
    ]
    return judge(told(SUBSCRIBED, *events))


def test_every_write_told_once_in_order_holds():
    """Also when all of it comes late."""
    assert _notified(TOLD_RIGHT).verdict == "holds"
    assert _notified([(20, change, row) for _, change, row in TOLD_RIGHT]).verdict == "holds"


def test_a_change_of_another_user_is_a_foreign_notification():
    """With the write that it is about."""
    verdict = _notified([*TOLD_RIGHT, (10, "insert", B)])
    assert names(verdict) == ("foreign-notification",)
    assert verdict.anomalies[0].witness == (1, 4)


def test_a_change_told_twice_is_a_duplicate_notification():
    """One write, one notification."""
    assert names(_notified([*TOLD_RIGHT, (10, "delete", D)])) == ("duplicate-notification",)
    assert names(_notified([TOLD_RIGHT[0], *TOLD_RIGHT])) == ("duplicate-notification",)


def test_two_writes_of_a_row_told_the_other_way_round_are_reordered():
    """The second began after the first was over."""
    verdict = _notified([TOLD_RIGHT[0], (8, "update", D), (8, "update", C), TOLD_RIGHT[3]])
    assert names(verdict) == ("reordered-notification",)


def test_a_notification_before_its_write_is_reordered():
    """It must follow the invocation of its write."""
    verdict = _notified([TOLD_RIGHT[0], (3, "update", C), *TOLD_RIGHT[2:]])
    assert names(verdict) == ("reordered-notification",)


def test_a_write_that_later_ones_overtook_is_missed():
    """Order is promised, so it cannot come any more."""
    verdict = _notified([TOLD_RIGHT[0], *TOLD_RIGHT[2:]])
    assert names(verdict) == ("missed-notification",)
    assert verdict.anomalies[0].witness[0] == 1


def test_a_notification_may_still_be_on_its_way_when_the_history_ends():
    """It is told, and does not count."""
    verdict = _notified(TOLD_RIGHT[:-1])
    assert verdict.verdict == "holds"
    assert [anomaly.name for anomaly in verdict.told] == ["missed-notification"]


def test_a_stale_read_says_by_how_long():
    """From when the row must have been there until the read that lacks it began."""
    (anomaly,) = judge(
        told("u0/1 0-1 insert 1=a -> ok 1\nu0/2 4-5 select -> none\nu0/2 6-7 select -> 1=a")
    ).anomalies
    assert "stale by at least 3.000 ms" in anomaly.explanation
    assert "at 6.000 ms it was there again" in anomaly.explanation


def test_a_row_that_was_seen_and_lost_says_from_when():
    """The last read that showed it, and the first that does not."""
    (anomaly,) = judge(
        told("u0/1 0-1 insert 1=a -> ok 1\nu0/2 4-5 select -> 1=a\nu0/2 6-7 get 1 -> none")
    ).anomalies
    assert "#3 had seen it as late as 4.000 ms; from 6.000 ms on no read shows it" in anomaly.explanation
