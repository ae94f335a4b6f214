"""What the server refuses: status, code and words as a KalamDB server would say them."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818  # an answer to a client, not a failure of ours
    """An answer other than success.

    Attributes:
        status: HTTP status.
        code: `error.code` of the body.
        message: `error.message` without the `Statement n failed: ` that a statement's refusal gets.
        numbered: whether it does get that.
        public: whether roles user and service see the message; else a general one.

    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "SQL_EXECUTION_ERROR",
        numbered: bool = True,
        public: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.numbered = numbered
        self.public = public


MASKED = {
    "SQL_EXECUTION_ERROR": "SQL statement failed",
    "INVALID_SQL": "SQL statement is invalid or not allowed",
    "TABLE_NOT_FOUND": "Requested table is not available",
    "INTERNAL_ERROR": "SQL request failed",
    "BATCH_PARSE_ERROR": "Failed to parse SQL batch",
}
"""What a role without administration rights reads in place of a message that is not public."""


def parse_error(message: str) -> Refusal:
    return Refusal(f"sql parser error: {message}", code="INVALID_SQL", numbered=False, public=False)


def invalid_sql(message: str) -> Refusal:
    return Refusal(message, code="INVALID_SQL")


def table_not_found(namespace: str, name: str) -> Refusal:
    text = f"Table not found: Error during planning: table 'kalam.{namespace}.{name}' not found"
    return Refusal(text, public=False)


def no_such_table(namespace: str, name: str) -> Refusal:
    """As DROP and ALTER say it."""
    return Refusal(f"Not found: Table '{name}' not found in namespace '{namespace}'", public=False)


def no_such_column(name: str) -> Refusal:
    return Refusal(f"Invalid operation: Column '{name}' does not exist")


def denied(message: str) -> Refusal:
    return Refusal(message, status=403, code="PERMISSION_DENIED")


def insert_failed(message: str) -> Refusal:
    return Refusal(
        "Execution error: Raft error: Internal error: Provider error: Execution error: "
        f"Failed to insert batch: {message}"
    )


def duplicate_key(value: object, column: str) -> Refusal:
    return insert_failed(
        f"Already exists: Primary key violation: value '{value}' already exists in column '{column}'"
    )


def duplicate_in_batch(value: object, column: str) -> Refusal:
    return insert_failed(
        f"Already exists: Primary key violation: value '{value}' appears multiple times in the insert batch "
        f"for column '{column}'"
    )


def commit_failed(transaction: str, refusal: Refusal) -> Refusal:
    """A duplicate key inside of BEGIN and COMMIT is found at COMMIT."""
    detail = refusal.message.rpartition("Failed to insert batch: ")[2]
    return Refusal(
        f"Invalid operation: failed to commit transaction '{transaction}': Raft error: Provider error: "
        f"Execution error: Failed to insert batch row: {detail}"
    )
