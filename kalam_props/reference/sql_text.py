"""SQL text as tokens: splitting a request into statements, and a cursor for KalamDB's own statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # older ones define them here

from kalam_props.reference.refusals import Refusal, parse_error

__all__ = ["Cursor", "Token", "TokenType", "Tokenizer", "split_statements", "tokenize"]


class Tokenizer(Postgres.Tokenizer):
    """PostgreSQL's tokens, but SHOW and EXECUTE do not swallow the rest of their statement as one string."""

    COMMANDS: ClassVar[set[TokenType]] = set()


_LITERALS = {TokenType.STRING, TokenType.NUMBER, TokenType.IDENTIFIER}


def tokenize(sql: str) -> list[Token]:
    """The tokens of a text.

    Raises:
        Refusal: a literal or comment that does not end.

    """
    try:
        return list(Tokenizer(dialect=Postgres()).tokenize(sql))
    except TokenError as error:
        raise parse_error(str(error).splitlines()[0]) from None


def split_statements(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens of each statement, without the semicolons; empty statements are left out."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


class Cursor:
    """Reads tokens from left to right; every `expect_` refuses with the place of what it found instead."""

    def __init__(self, sql: str, tokens: Sequence[Token], start: int | None = None) -> None:
        """`start`: where the statement of these tokens begins; they do, unless something else is said."""
        self._sql = sql
        self._tokens = tokens
        self._at = 0
        self._start = start if start is not None else tokens[0].start if tokens else 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        position = self._at + ahead
        return self._tokens[position] if position < len(self._tokens) else None

    def peek_word(self, ahead: int = 0) -> str:
        """The next token in capitals when it is no literal, else an empty string. `PRIMARY KEY` is one."""
        token = self.peek(ahead)
        return " ".join(token.text.upper().split()) if token and token.token_type not in _LITERALS else ""

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise self.unexpected("more of the statement")
        self._at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Step over these words when they come next."""
        if all(self.peek_word(ahead) == word for ahead, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise self.unexpected(word)

    def expect_end(self) -> None:
        if not self.done:
            raise self.unexpected("end of statement")

    def expect_string(self) -> str:
        token = self.peek()
        if token is None or token.token_type is not TokenType.STRING:
            raise self.unexpected("a quoted string")
        return self.take().text

    def expect_integer(self) -> int:
        token = self.peek()
        if token is None or token.token_type is not TokenType.NUMBER or not token.text.isdigit():
            raise self.unexpected("a whole number")
        return int(self.take().text)

    def expect_name(self) -> str:
        """An unquoted identifier, in lower case as KalamDB folds it."""
        token = self.peek()
        if token is None or not (token.text[:1].isalpha() or token.text[:1] == "_"):
            raise self.unexpected("identifier")
        if token.token_type in _LITERALS:
            raise self.unexpected("an identifier without quotes")
        return " ".join(self.take().text.lower().split())

    def expect_name_or_string(self) -> str:
        token = self.peek()
        if token is not None and token.token_type in {TokenType.STRING, TokenType.IDENTIFIER}:
            return self.take().text
        return self.expect_name()

    def expect_table(self) -> tuple[str, str]:
        """Namespace and name; a name alone is in namespace `default`."""
        first = self.expect_name()
        if self.accept("."):
            return first, self.expect_name()
        return "default", first

    def group(self) -> Cursor:
        """What stands between the parenthesis that comes next and the one that closes it."""
        self.expect("(")
        depth = 1
        begin = self._at
        while depth:
            token = self.take()
            depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        return Cursor(self._sql, self._tokens[begin : self._at - 1], self._start)

    def split(self) -> list[Cursor]:
        """The parts between commas that are in no parentheses."""
        parts: list[list[Token]] = [[]]
        depth = 0
        for token in self._tokens[self._at :]:
            depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
            if token.token_type is TokenType.COMMA and not depth:
                parts.append([])
            else:
                parts[-1].append(token)
        return [Cursor(self._sql, part, self._start) for part in parts]

    def alone(self) -> Cursor:
        """The rest, as a statement of its own."""
        return Cursor(self._sql, self._tokens[self._at :])

    @property
    def text(self) -> str:
        """The rest of the text as it was written."""
        rest = self._tokens[self._at :]
        return self._sql[rest[0].start : rest[-1].end + 1] if rest else ""

    @property
    def rest(self) -> Sequence[Token]:
        return self._tokens[self._at :]

    def unexpected(self, expected: str) -> Refusal:
        token = self.peek()
        if token is None:
            return parse_error(f"Expected: {expected}, found: EOF")
        # Each statement of a request is parsed by itself: places count from where it begins.
        before = self._sql[self._start : token.start]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return parse_error(f"Expected: {expected}, found: {token.text} at Line: {line}, Column: {column}")
