"""The gate: a proxy process on loopback that decides when a request reaches the server, and sees when it did.

`handle` is the tester's side; everything else runs in the proxy's process and imports little, to start fast.
No SQL is understood here, no outcome judged, and nothing is decided that a plan did not ask for.
"""
