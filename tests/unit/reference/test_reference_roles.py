"""Logins, roles, and who may act as whom."""

from __future__ import annotations

import itertools

import pytest
from server_process import PASSWORD, Client, Refused, flush

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def people(server):
    """A connection for a user of each role, by role; also their names."""
    root = server.client()
    found = {}
    for role in ("user", "service", "dba", "system"):
        name = f"{role}{next(_NUMBERS)}"
        root.run(f"CREATE USER '{name}' WITH PASSWORD 'pw' ROLE {role}")
        found[role] = (name, server.client(server.login(name, "pw")))
    return found


STATEMENTS = {
    "own rows": "INSERT INTO ns.perm (id) VALUES ({n})",
    "create namespace": "CREATE NAMESPACE perm_{n}",
    "create user table": "CREATE USER TABLE ns.perm_u{n} (id BIGINT PRIMARY KEY)",
    "create shared table": "CREATE TABLE ns.perm_s{n} (id BIGINT PRIMARY KEY)",
    "drop table": "DROP TABLE IF EXISTS ns.perm_u{n}",
    "alter": "ALTER TABLE ns.perm ADD COLUMN c{n} TEXT",
    "flush": "STORAGE FLUSH TABLE ns.perm",
    "create user": "CREATE USER 'made{n}' WITH PASSWORD 'p' ROLE user",
    "system tables": "SELECT name FROM system.namespaces LIMIT 1",
    "show": "SHOW NAMESPACES",
    "private shared": "SELECT * FROM ns.perm_private",
    "public shared": "SELECT * FROM ns.perm_public",
    "write public shared": "INSERT INTO ns.perm_public (id) VALUES ({n})",
}
ALLOWED = {
    "user": {"own rows", "create user table", "alter", "show", "public shared"},
    "service": set(STATEMENTS) - {"create namespace", "drop table", "create user", "system tables"},
    "dba": set(STATEMENTS),
    "system": set(STATEMENTS),
}


@pytest.fixture(scope="module")
def tables(server):
    root = server.client()
    root.run("CREATE USER TABLE ns.perm (id BIGINT PRIMARY KEY)")
    root.run("CREATE TABLE ns.perm_private (id BIGINT PRIMARY KEY)")
    root.run(
        "CREATE TABLE ns.perm_public (id BIGINT PRIMARY KEY) WITH (TYPE='SHARED', ACCESS_LEVEL='PUBLIC')"
    )


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("what", STATEMENTS)
@pytest.mark.parametrize("role", ALLOWED)
def test_role_may_do_what_the_table_of_permissions_says(people, role, what):
    """Allowed statements work, the others are 403 PERMISSION_DENIED."""
    sql = STATEMENTS[what].format(n=next(_NUMBERS))
    client = people[role][1]
    if what in ALLOWED[role]:
        client.run(sql)
    else:
        with pytest.raises(Refused) as caught:
            client.run(sql)
        assert (caught.value.status, caught.value.code) == (403, "PERMISSION_DENIED")


def test_refused_probe_has_the_words_that_clients_show(people):
    """The first statement of the command line client, as role user."""
    with pytest.raises(Refused) as caught:
        people["user"][1].run("SELECT name FROM system.namespaces LIMIT 1")
    assert caught.value.message == (
        "Statement 1 failed: Permission denied: Error during planning: Access denied: Role 'User' cannot "
        "access table 'system.namespaces'. System tables require 'dba' or 'system' role."
    )


@pytest.mark.parametrize(
    ("actor", "target", "allowed"),
    [
        ("system", "system", True),
        ("system", "dba", True),
        ("dba", "system", False),
        ("dba", "service", True),
        ("service", "dba", False),
        ("service", "service", True),
        ("service", "user", True),
        ("user", "service", False),
        ("user", "user", True),
    ],
)
def test_acting_as_another_user_goes_by_roles(people, actor, target, allowed):
    """`EXECUTE AS USER` of another (or oneself) by role; a refusal names both."""
    name, client = people[actor]
    other = people[target][0]
    sql = f"EXECUTE AS USER '{other}' (SELECT 1)"
    if allowed:
        assert client.run(sql)["as_user"] == other
    else:
        with pytest.raises(Refused) as caught:
            client.run(sql)
        assert (caught.value.status, caught.value.code) == (403, "PERMISSION_DENIED")
        assert f"actor '{name}'" in caught.value.message
        assert f"cannot target '{other}'" in caught.value.message


def test_inner_statement_has_the_rights_of_its_user(root, table):
    """Root acting as a name that was never created is a user without rights to flush."""
    root.run(f"EXECUTE AS USER 'nobody yet' (INSERT INTO {table} (id) VALUES (1))")
    with pytest.raises(Refused) as caught:
        root.run(f"EXECUTE AS USER 'nobody yet' (STORAGE FLUSH TABLE {table})")
    assert caught.value.code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "form", ["EXECUTE AS USER 'x{n}' ({})", "execute as 'x{n}' ({});", "EXECUTE AS x{n} ({})"]
)
def test_every_form_of_acting_as_another(root, table, form):
    """With and without USER, quoted and not; quotes and semicolons inside are the statement's."""
    number = next(_NUMBERS)
    sql = f"INSERT INTO {table} (id, v) VALUES (1, 'it''s; \"q\" (p)')"
    assert root.run(form.format(sql, n=number))["as_user"] == f"x{number}"
    rows = root.run(f"EXECUTE AS USER 'x{number}' (SELECT id, v FROM {table})")
    assert (rows["rows"], rows["as_user"]) == ([["1", 'it\'s; "q" (p)']], f"x{number}")


def test_users_own_their_rows_also_root(root, people, table):
    """Equal keys of several users are different rows, hot and cold; root sees only its own."""
    clients = {"root": root, **dict(people.values())}
    for name, client in clients.items():
        client.run(f"INSERT INTO {table} (id, v) VALUES (1, '{name}')")
    for _ in range(2):
        for name, client in clients.items():
            assert client.rows(f"SELECT id, v FROM {table}") == [["1", name]]
        flush(root, table)


def test_shared_tables_have_one_set_of_rows(root, people):
    """All who may use a shared table meet the same key."""
    name = f"ns.shared{next(_NUMBERS)}"
    root.run(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, v TEXT)")
    root.run(f"INSERT INTO {name} (id, v) VALUES (1, 'root')")
    service = people["service"][1]
    assert service.rows(f"SELECT id, v FROM {name}") == [["1", "root"]]
    with pytest.raises(Refused, match="Primary key violation"):
        service.run(f"INSERT INTO {name} (id, v) VALUES (1, 'service')")


def test_details_and_hidden_messages_are_for_administrators(root, people):
    """`details` has the statement only for dba and system; others read a general text for what is masked."""
    sql = "SELECT * FROM ns.nope"
    for client in (root, people["dba"][1]):
        with pytest.raises(Refused) as caught:
            client.run(sql)
        assert caught.value.body["error"]["details"] == sql
    with pytest.raises(Refused) as caught:
        people["user"][1].run(sql)
    assert caught.value.body["error"] == {
        "code": "SQL_EXECUTION_ERROR",
        "message": "SQL statement failed",
    }


def test_login_answers_tokens_and_who_it_is(server):
    """The keys of a login; wrong password and unknown user are refused alike."""
    client = Client(server.port, None)
    status, body = client.post("/v1/api/auth/login", {"user": "root", "password": PASSWORD})
    assert status == 200
    assert list(body) == [
        "user",
        "admin_ui_access",
        "expires_at",
        "access_token",
        "refresh_token",
        "refresh_expires_at",
    ]
    assert list(body["user"]) == ["id", "role", "email", "created_at", "updated_at"]
    assert (body["user"]["id"], body["user"]["role"], body["admin_ui_access"]) == ("root", "system", True)
    refusal = (401, {"error": "unauthorized", "message": "Invalid credentials"})
    assert client.post("/v1/api/auth/login", {"user": "root", "password": "no"}) == refusal
    assert client.post("/v1/api/auth/login", {"user": "nobody", "password": "no"}) == refusal


def test_refresh_needs_the_refresh_token(server):
    """An access token cannot be refreshed, and a refresh token cannot run SQL."""
    client = Client(server.port, None)
    _, body = client.post("/v1/api/auth/login", {"user": "root", "password": PASSWORD})

    def bearer(token):
        return {"authorization": f"Bearer {token}"}

    assert client.post("/v1/api/auth/refresh", {}, bearer(body["access_token"]))[0] == 401
    assert client.post("/v1/api/sql", {"sql": "SELECT 1"}, bearer(body["refresh_token"]))[0] == 401
    status, renewed = client.post("/v1/api/auth/refresh", {}, bearer(body["refresh_token"]))
    assert status == 200
    assert client.post("/v1/api/sql", {"sql": "SELECT 1"}, bearer(renewed["access_token"]))[0] == 200
    assert client.get("/v1/api/auth/me", bearer(renewed["access_token"]))[1]["user"]["id"] == "root"
    assert client.get("/v1/api/auth/me")[0] == 401
    assert client.get("/v1/api/auth/status")[1]["needs_setup"] is False
    assert client.post("/v1/api/auth/logout", {})[0] == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "MISSING_AUTHORIZATION"),
        ({"authorization": "Bearer x.y.z"}, "INVALID_CREDENTIALS"),
        ({"authorization": "Basic cm9vdDp4"}, "INVALID_CREDENTIALS"),
    ],
)
def test_statements_need_a_good_token(server, header, code):
    """401 with the code for no header and for one that is no good."""
    status, body = Client(server.port, None).post("/v1/api/sql", {"sql": "SELECT 1"}, header)
    assert (status, body["error"]["code"]) == (401, code)


def test_dropped_user_is_out_and_its_name_is_spent(server, root):
    """Login and tokens end with DROP USER, and the name can never be created again."""
    name = f"gone{next(_NUMBERS)}"
    root.run(f"CREATE USER '{name}' WITH PASSWORD 'pw' ROLE user")
    client = server.client(server.login(name, "pw"))
    assert client.rows("SELECT 1") == [["1"]]
    assert root.run(f"DROP USER '{name}'")["message"] == f"User '{name}' dropped (soft delete)"
    with pytest.raises(Refused):
        client.rows("SELECT 1")
    with pytest.raises(Refused):
        server.login(name, "pw")
    with pytest.raises(Refused, match="Already exists"):
        root.run(f"CREATE USER '{name}' WITH PASSWORD 'pw' ROLE user")


def test_health_says_what_it_is(server):
    """Both addresses, without a login; it never calls itself KalamDB."""
    client = Client(server.port, None)
    for path in ("/health", "/v1/api/healthcheck"):
        status, body = client.get(path)
        assert status == 200
        assert body["status"] == "healthy"
        assert body["server"] == "kalam_props-reference"
        assert {"api_version", "build_date", "version"} <= set(body)
