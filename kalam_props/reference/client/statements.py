"""Where a statement ends: a `;` outside of literals, quoted names and comments."""


def end_of_statement(text: str, start: int = 0) -> int:
    """The index behind the first `;` that ends a statement, or -1."""
    at = start
    while at < len(text):
        sign = text[at]
        if sign == ";":
            return at + 1
        if sign in "'\"":
            at = _behind(text, sign, at + 1)
        elif text.startswith("--", at):
            at = _behind(text, "\n", at + 2)
        elif text.startswith("/*", at):
            at = _behind(text, "*/", at + 2)
        else:
            at += 1
        if at < 0:
            return -1
    return -1


def split(text: str) -> list[str]:
    """The statements of `text` without their `;`, empty ones left out."""
    statements = []
    start = 0
    while (end := end_of_statement(text, start)) >= 0:
        statements.append(text[start : end - 1].strip())
        start = end
    statements.append(text[start:].strip())
    return [statement for statement in statements if statement]


def _behind(text: str, mark: str, start: int) -> int:
    at = text.find(mark, start)
    return at if at < 0 else at + len(mark)
