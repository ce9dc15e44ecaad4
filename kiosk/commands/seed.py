"""`tapthread seed`: makes the demo's centre, one kiosk's pulled cache and its leased keys in a folder.

A folder that holds a demo is made anew; one that is in use, or holds anything else, is refused. After it, `tapthread tap` proves a
band offline, and `tapthread central` on the same folder is the centre it was pulled from.
"""

import sys

import typer

from hardware.errors import DeviceError, FolderInUse
from kiosk import settings
from kiosk.commands.counting import counted
from kiosk.commands.options import Centre, Data
from sync.model.errors import SyncError

EXIT_FAILED = 1
EXIT_USAGE = 2


def run(data: Data = None, centre: Centre = None) -> None:
    """Make the demo's centre, one kiosk's pulled cache and its leased keys in a folder."""
    from kiosk.assembly.device import real_world
    from kiosk.demo.seeding import DEMO_CENTRE_URL, NotADemo, seed

    chosen = settings.load(data=data, centre=centre)
    try:
        made = seed(
            chosen.data, world=real_world(), centre_url=chosen.centre or DEMO_CENTRE_URL
        )
    except NotADemo as error:
        print(f"tapthread seed: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE) from error
    except FolderInUse as error:
        print(
            f"tapthread seed: the demo in {chosen.data} is in use ({error})."
            " Stop it, or give another folder with --data",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_FAILED) from error
    except (DeviceError, SyncError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        print(f"tapthread seed: no demo can be made in {chosen.data}: {why}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    print(
        f"The demo is in {chosen.data}: {counted(made.n_rows, 'row')} at the centre,"
        f" {made.n_held} of them and {made.n_leases} band keys on this kiosk."
    )
