"""A kiosk that fails in the middle of a customer's page, for a test that reads its terminal."""

import sys
from pathlib import Path

from textual.message import Message

from hardware import log
from kiosk.core import page as pages
from kiosk.core.policy import Assurance
from kiosk.ui.app import KioskApp
from sync.model.profile import Profile
from sync.model.records import Customer
from sync.model.row import row_of
from tests.support.customer_side import NOW_US, House, proved, seen, shop_at

CANARY = "Canaryname"


class Fail(Message):
    """Fail now."""


class CrashingKiosk(KioskApp):
    """Opens a page, then fails with the customer's name in a local variable and in the error."""

    def on_mount(self) -> None:
        super().on_mount()
        self.set_timer(0.2, self._open)

    def _open(self) -> None:
        self.pane.hear(seen(1))
        self.pane.hear(proved(1, "band"))
        self.set_timer(0.2, lambda: self.post_message(Fail()))

    def on_fail(self) -> None:
        secret = CANARY + "Secret"
        raise RuntimeError(f"cannot show {secret}")


def main() -> int:
    """Run until the crash; the log goes to the file named on the command line."""
    with log.started(Path(sys.argv[1]), is_strict=True):
        house = House()
        me = row_of(
            Customer(id="me", given_name=CANARY), owner="me", as_of=NOW_US, source="web"
        )
        profile = Profile("me", (me,))
        house.put("band", pages.decide(profile, assurance=Assurance.A2, shop=shop_at()))
        app = CrashingKiosk(house.parts)
        app.run()
        return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
