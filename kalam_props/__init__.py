"""Property-based concurrency tester for databases with a hot and a cold tier.

Nothing is imported here: the compatible client lives in this package too and must start in milliseconds.
"""

__version__ = "0.1.0"
