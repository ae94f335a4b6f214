"""A driver over HTTP that lies, or does something else besides: for servers that no fault makes so bad."""

from __future__ import annotations

from attrs import evolve, frozen

from kalam_props.drivers.http import HttpDriver


@frozen
class Doctored:
    """`execute(sql, deadline_s, ask)` answers in the place of the server, which `ask()` asks."""

    execute: object
    can_subscribe: bool = True

    name = "http"
    client = HttpDriver().client

    def connect(self, credential, *, url):
        return _Connection(self.execute, HttpDriver().connect(credential, url=url))

    def as_sent(self, sql):
        return sql

    def close(self):
        pass


@frozen
class _Connection:
    answer: object
    inner: object

    def execute(self, sql, *, deadline_s):
        return self.answer(sql, deadline_s, lambda: self.inner.execute(sql, deadline_s=deadline_s))

    def rest(self):
        self.inner.rest()

    def close(self):
        self.inner.close()


def doctored(workspace, execute, **more):
    """The workspace with such a driver."""
    return evolve(workspace, target=evolve(workspace.target, driver=Doctored(execute, **more)))
