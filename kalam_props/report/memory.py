"""How much memory we use: a hunt that grows has a leak, and its report shows it."""

from __future__ import annotations

from pathlib import Path


def resident_mib() -> int | None:
    """Resident memory of this process in MiB; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return None
