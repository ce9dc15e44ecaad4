"""Everything `tapthread doctor` looks at: the checks of each package, collected; one line a finding.

The checks are `hardware.checks` and `drivers.checks`; each says what it found as `hardware.findings.Finding`. Nothing is
changed here and nothing is started: what mends a thing is a command for a technician to read and type.
"""

from collections.abc import Sequence
from typing import Any

from drivers import checks as driver_checks
from hardware import checks as hardware_checks
from hardware.clock import Clock
from hardware.findings import Finding, Standing, Subject

MARKS = {
    Standing.WELL: "ok",
    Standing.NOTE: "note",
    Standing.WARNING: "warn",
    Standing.BROKEN: "BAD",
}
"""First word of a line."""

EXIT_WELL = 0
EXIT_BROKEN = 1


def findings_of(subject: Subject, clock: Clock) -> tuple[Finding, ...]:
    """What every package found, in the order a technician mends it: the machine first, then what stands on it."""
    return (*hardware_checks.findings(subject), *driver_checks.findings(subject, clock))


def exit_code_of(findings: Sequence[Finding]) -> int:
    """0 when nothing is broken, 1 otherwise; a warning breaks nothing yet."""
    is_broken = any(each.standing is Standing.BROKEN for each in findings)
    return EXIT_BROKEN if is_broken else EXIT_WELL


def line_of(finding: Finding) -> str:
    """One finding as one line, with what mends it behind an arrow."""
    fix = f"  -> {finding.fix}" if finding.fix else ""
    return f"{MARKS[finding.standing]:<4} {finding.code:<16} {finding.line}{fix}"


def printed(findings: Sequence[Finding]) -> dict[str, Any]:
    """The object `--json` prints."""
    return {
        "is_well": exit_code_of(findings) == EXIT_WELL,
        "findings": [
            {
                "code": each.code,
                "standing": each.standing.value,
                "line": each.line,
                "fix": each.fix,
            }
            for each in findings
        ],
    }
