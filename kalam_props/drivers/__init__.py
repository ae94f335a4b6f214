"""From an operation to an answer: SQL text, `kalam` as a process or a session, HTTP, and what they print.

Nothing here knows of rounds, histories or verdicts: one statement, one reply.
"""
