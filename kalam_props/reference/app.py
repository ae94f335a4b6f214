"""The HTTP interface: KalamDB's endpoints on Starlette. The event loop moves bytes; work is on threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from kalam_props.reference import answers
from kalam_props.reference.auth import LIFETIMES, Auth, Login, user_info
from kalam_props.reference.execution import Executor, FailedStatement, NeverAnswered, execute
from kalam_props.reference.parsing import parse_request
from kalam_props.reference.rate_limit import RateLimit
from kalam_props.reference.refusals import Refusal
from kalam_props.reference.roles import ADMINISTRATORS, Caller
from kalam_props.reference.statements import Parsed, Query, uses_rows
from kalam_props.reference.subscriptions import Subscriptions
from kalam_props.reference.websocket import talk

SERVER_NAME = "kalam_props-reference"
MAX_BODY = 2 * 1024 * 1024
ACCESS_COOKIE, REFRESH_COOKIE = "kalamdb_auth", "kalamdb_refresh"


@frozen
class Service:
    """What the endpoints work with."""

    executor: Executor
    auth: Auth
    rate_limit: RateLimit
    subscriptions: Subscriptions
    threads: ThreadPoolExecutor
    version: str
    built: str


def make_app(service: Service) -> Starlette:
    def endpoint(handler: Callable[[Service, Request], Awaitable[Response]]) -> Any:
        async def handle(request: Request) -> Response:
            return await handler(service, request)

        return handle

    async def subscriber(websocket: WebSocket) -> None:
        await talk(websocket, service.auth, service.subscriptions, service.threads)

    return Starlette(
        routes=[
            WebSocketRoute("/v1/ws", subscriber),
            Route("/v1/api/sql", endpoint(_sql), methods=["POST"]),
            Route("/v1/api/auth/login", endpoint(_login), methods=["POST"]),
            Route("/v1/api/auth/refresh", endpoint(_refresh), methods=["POST"]),
            Route("/v1/api/auth/logout", endpoint(_logout), methods=["POST"]),
            Route("/v1/api/auth/me", endpoint(_me)),
            Route("/v1/api/auth/status", endpoint(_status)),
            Route("/v1/api/healthcheck", endpoint(_health)),
            Route("/health", endpoint(_health)),
            Route("/v1/reference/stats", endpoint(_stats)),
        ],
        exception_handlers={405: _not_found, 404: _not_found},
    )


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def _not_found(_: Request, __: Exception) -> Response:
    return Response(status_code=404)


async def _sql(service: Service, request: Request) -> Response:
    body = await request.body()
    began = time.perf_counter()  # it has arrived when its last byte has: a client may take its time with that
    authorization = request.headers.get("authorization")
    loop = asyncio.get_running_loop()
    try:
        status, content, streamed = await loop.run_in_executor(
            service.threads, _answer_sql, service, authorization, body, began
        )
    except NeverAnswered:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response(status_code=500)  # nobody is there to read it
    response = Response(content, status, media_type="application/json")
    if streamed:
        del response.headers["content-length"]  # sent in chunks, as KalamDB does for one SELECT
    return response


def _answer_sql(
    service: Service, authorization: str | None, body: bytes, began: float
) -> tuple[int, bytes, bool]:
    """Status, body, and whether the body is streamed."""
    with service.executor.server.activity.request():
        caller: Caller | None = None
        number, sql = None, None
        try:
            caller = service.auth.caller(authorization)
            service.rate_limit.check(caller.user)
            sql, statements = _request_of(body)
            if any(uses_rows(parsed.statement) for parsed in statements):
                service.executor.request_faults.arrive(began)
            content, streamed = _run_sql(service, caller, statements, began)
        except FailedStatement as failed:
            refusal, number, sql = failed.refusal, failed.number, failed.sql
        except Refusal as refused:
            refusal = refused
        else:
            return 200, content, streamed
        admin = caller is not None and caller.administrator
        content = answers.failure(refusal, _ms_since(began), statement=number, sql=sql, admin=admin)
        return refusal.status, content, False


def _run_sql(
    service: Service, caller: Caller, statements: tuple[Parsed, ...], began: float
) -> tuple[bytes, bool]:
    results = execute(service.executor, statements, caller, began)
    query = statements[0].statement if len(statements) == 1 else None
    single = isinstance(query, Query)
    content = answers.success(results, _ms_since(began), single_select=single)
    if isinstance(query, Query) and uses_rows(query):
        user = statements[0].as_user or caller.user
        content = service.executor.request_faults.answer(user, query.sql, content)
    return content, single


def _request_of(body: bytes) -> tuple[str, tuple[Parsed, ...]]:
    if len(body) > MAX_BODY:
        raise Refusal("Payload too large", status=413, code="INVALID_INPUT")
    try:
        data = orjson.loads(body)
        sql, params = data["sql"], data.get("params") or []
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"Invalid JSON payload: {error}", code="INVALID_INPUT") from None
    if not isinstance(sql, str) or not isinstance(params, list):
        raise Refusal("Invalid JSON payload: sql is text, params an array", code="INVALID_INPUT")
    return sql, parse_request(sql, params)


async def _login(service: Service, request: Request) -> Response:
    try:
        data = orjson.loads(await request.body())
        user = data["user"] if "user" in data else data["username"]
        password = data["password"]
        if not isinstance(user, str) or not isinstance(password, str):
            raise TypeError("user and password are text")
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        return _json({"error": "bad_request", "message": f"Invalid JSON payload: {error}"}, 400)
    loop = asyncio.get_running_loop()
    login = await loop.run_in_executor(service.threads, service.auth.login, user, password)
    return _login_answer(login)


async def _refresh(service: Service, request: Request) -> Response:
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return _login_answer(service.auth.refresh(token or request.cookies.get(REFRESH_COOKIE, "")))


def _login_answer(login: Login | None) -> Response:
    if login is None:
        return _json({"error": "unauthorized", "message": "Invalid credentials"}, 401)
    response = _json(login.body)
    for cookie, token, kind in (
        (ACCESS_COOKIE, login.access, LIFETIMES["access"]),
        (REFRESH_COOKIE, login.refresh, LIFETIMES["refresh"]),
    ):
        response.set_cookie(
            cookie, token, max_age=int(kind.total_seconds()), httponly=True, samesite="strict"
        )
    return response


async def _logout(_: Service, __: Request) -> Response:
    response = _json({"message": "Logged out successfully"})
    response.delete_cookie(ACCESS_COOKIE)
    response.delete_cookie(REFRESH_COOKIE)
    return response


async def _me(service: Service, request: Request) -> Response:
    cookie = request.cookies.get(ACCESS_COOKIE)
    header = request.headers.get("authorization") or (f"Bearer {cookie}" if cookie else None)
    try:
        user = service.auth.user(header)
    except Refusal as refusal:
        return _json({"error": "unauthorized", "message": refusal.message}, refusal.status)
    return _json({"user": user_info(user), "admin_ui_access": user.role in ADMINISTRATORS})


async def _status(_: Service, __: Request) -> Response:
    return _json({"needs_setup": False, "message": "Server is configured and ready."})


async def _health(service: Service, _: Request) -> Response:
    return _json(
        {
            "api_version": "v1",
            "build_date": service.built,
            "status": "healthy",
            "version": service.version,
            "server": SERVER_NAME,
        }
    )


async def _stats(service: Service, _: Request) -> Response:
    server = service.executor.server
    return _json(
        {
            "server": SERVER_NAME,
            "activity": server.activity.report(),
            "faults": server.database.faults.report(),
        }
    )


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
