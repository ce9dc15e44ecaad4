"""`tapthread sync`: one exchange with the centre, now: push what waits, pull what changed, renew the leases.

Ends with 0 when the centre answered, 1 when it did not (what waits stays and goes later), 6 when this device's own files
do not open.
"""

import json
from typing import Annotated

import typer

from kiosk import settings
from kiosk.commands.options import Centre, Data
from kiosk.commands.own_files import EXIT_OWN_FILES, OwnFiles, fail
from sync.model.errors import StoreError

EXIT_CENTRE = 1


def run(
    data: Data = None,
    centre: Centre = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Exchange with the centre once: push, pull, leases."""
    from kiosk.assembly import Sync, real_world, standing_of

    chosen = settings.load(data=data, centre=centre)
    with OwnFiles(chosen, world=real_world(), as_json=as_json) as device:
        sync = Sync(device)
        try:
            code = sync.once()
        except StoreError as error:
            fail(error.code, f"This device's files do not answer: {error}.",
                 exit_code=EXIT_OWN_FILES, as_json=as_json)  # fmt: skip
        standing = standing_of(device, sync, None)
    found = {
        "network": code,
        "synced_at": standing.synced_at,
        "waiting": standing.n_waiting,
        "not_settled": standing.n_refused,
    }
    if as_json:
        print(json.dumps(found))
    else:
        print(f"centre: {code}; {standing.n_waiting} to send, {standing.n_refused} not settled")
    if code != "ok":
        raise typer.Exit(EXIT_CENTRE)
