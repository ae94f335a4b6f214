"""From an operation to an answer: SQL text, `kalam` as a process or a session, HTTP, and parsing what they print."""
