"""What a target can do is found by trying, whatever its version says."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import contextmanager

import pytest
from scripted_server import ScriptedServer, answer, refusal, rows, success, written

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.protocol import Credential
from kalam_props.errors import SetupRefusedError
from kalam_props.history.events import Product
from kalam_props.programs.model import TableDef
from kalam_props.targets.capabilities import create_table, discover
from kalam_props.targets.target import Target

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=7)
OBJECTS = success({"columns": ["id", "v"], "rows": [{"v": "a", "id": 1}], "row_count": 1})
ARRAYS = rows([("id", "BigInt"), ("v", "Text")], [["1", "a"]])


def answers(refused: str, document: object = ARRAYS) -> Callable:
    """A server that refuses what matches `refused`, and answers a SELECT of the probe with `document`."""

    def script(sql):
        if re.search(refused, sql):
            return refusal(400, f"sql parser error: Expected: something else, found: {sql[:20]}")
        if sql.startswith("SELECT id, v"):
            return answer(document)
        return answer(success(written("done", 1)))

    return script


@contextmanager
def target(script):
    with ScriptedServer(script) as server:
        driver = HttpDriver()
        root = Credential("root", token="T")
        admin = driver.connect(root, url=server.url)
        try:
            yield Target(server.url, Product("KalamDB", "0"), driver, root, admin), server
        finally:
            admin.close()


def test_a_server_that_refuses_nothing_has_every_feature_but_a_process_of_ours():
    """Restarts and kills are for servers that we started; and this one has no WebSocket."""
    with target(answers("^$")) as (server, _):
        found = discover(server, "kp_n", "kp_n_u")
    assert set(found.lacks) == {"crash", "subscriptions"}
    assert "WebSocket" in found.lacks["subscriptions"]
    assert "--kalamdb-server" in found.lacks["crash"]
    assert (found.ddl, found.json_rows, found.execute_as) == (
        "WITH (TYPE, FLUSH_POLICY)",
        "arrays",
        "EXECUTE AS USER",
    )


def test_the_old_generation_is_found_by_its_answers():
    """Tables by FLUSH ROWS, rows as objects, no EXECUTE AS."""
    with target(answers("WITH \\(|EXECUTE AS", OBJECTS)) as (server, _):
        found = discover(server, "kp_n", "kp_n_u")
    assert (found.ddl, found.json_rows, found.execute_as) == (
        "CREATE USER TABLE ... FLUSH ROWS",
        "objects",
        None,
    )


def test_the_newer_form_of_speaking_for_a_user_is_found():
    """`EXECUTE AS 'u' (…)`, where the form with USER is refused."""
    with target(answers("EXECUTE AS USER")) as (server, _):
        assert discover(server, "kp_n", "kp_n_u").execute_as == "EXECUTE AS"


@pytest.mark.parametrize(
    ("refused", "feature"),
    [
        ("FLUSH TABLE", "flush-table"),
        ("FLUSH ALL", "flush-namespace"),
        ("COMPACT", "compact"),
        ("BEGIN", "transactions"),
        ("ROLLBACK", "transactions"),
        ("ALTER", "add-column"),
        ("SHARED", "shared-tables"),
        ("UUID", "uuid-keys"),
        ("system.jobs", "jobs"),
    ],
)
def test_what_is_refused_is_lacking_in_the_words_of_the_refusal(refused, feature):
    """One feature each; the others stay."""
    with target(answers(refused)) as (server, _):
        found = discover(server, "kp_n", "kp_n_u")
    assert set(found.lacks) == {feature, "subscriptions", "crash"}
    assert found.lacks[feature].startswith("sql parser error")
    assert feature not in found.has


def test_the_tables_of_the_probe_are_dropped():
    """Also when no row can ever be read, which ends the run."""
    with target(answers("SELECT id, v")) as (server, scripted):
        with pytest.raises(SetupRefusedError, match="cannot be written and read: sql parser error"):
            discover(server, "kp_n", "kp_n_u")
        assert scripted.statements[-5:] == [
            f"DROP TABLE IF EXISTS kp_n.probe{which}" for which in ("", "_shared", "_text", "_int", "_uuid")
        ]


def test_a_row_that_is_not_read_back_is_no_reason_not_to_look():
    """Programs are to find that."""
    with target(answers("^$", rows([("id", "BigInt"), ("v", "Text")], []))) as (server, _):
        assert discover(server, "kp_n", "kp_n_u").json_rows == "arrays"


def test_a_server_that_makes_no_table_ends_the_run_with_its_words():
    """Every form that was tried, and what was said to it."""
    with target(answers("CREATE")) as (server, _), pytest.raises(SetupRefusedError) as refused:
        discover(server, "kp_n", "kp_n_u")
    assert str(refused.value).count("sql parser error") == 2


def test_both_generations_of_table_definitions():
    """Type, key and flush boundary."""
    assert create_table("n.t", TABLE, "WITH (TYPE, FLUSH_POLICY)") == (
        "CREATE TABLE n.t (id BIGINT PRIMARY KEY, v TEXT) WITH (TYPE = 'USER', FLUSH_POLICY = 'rows:7')"
    )
    assert create_table("n.t", TABLE, "CREATE USER TABLE ... FLUSH ROWS") == (
        "CREATE USER TABLE n.t (id BIGINT PRIMARY KEY, v TEXT) FLUSH ROWS 7"
    )
