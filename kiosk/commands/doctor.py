"""`tapthread doctor`: one line for each thing that was looked at, with the command that mends it.

    ok    is as it should be
    note  nothing to mend
    warn  works, and may stop doing so
    BAD   does not work until somebody mends it

Exit codes: 0 nothing is broken, 1 something is, 2 the command line or the settings made no sense.
"""

import json
from typing import Annotated

import typer

from hardware.clock import SystemClock
from hardware.findings import Machine, Subject
from kiosk import settings
from kiosk.commands.options import Data, Reader
from kiosk.doctor import exit_code_of, findings_of, line_of, printed


def run(
    data: Data = None,
    reader: Reader = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at the reader and the machine under it: one line a finding, with the command that mends it."""
    chosen = settings.load(data=data, reader=reader)
    subject = Subject(Machine.this(), chosen.data, chosen.reader)
    found = findings_of(subject, SystemClock())
    if as_json:
        print(json.dumps(printed(found), indent=2))
    else:
        for each in found:
            print(line_of(each))
    raise typer.Exit(exit_code_of(found))
