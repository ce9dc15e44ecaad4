"""What enters the screens from outside, and what the customer's side tells the rest of the house.

Everything from another thread or process comes in by `post_message`, which is safe from any thread; nothing else is.
"""

from textual.message import Message

from drivers.lines import ReaderState, Said
from kiosk.core.ports import Recognition, Standing


class ReaderSaid(Message):
    """A line of the reader process."""

    def __init__(self, said: Said) -> None:
        super().__init__()
        self.said = said

    def can_replace(self, message: Message) -> bool:
        """A newer word on whether the reader is there replaces an older one that still waits."""
        return (
            isinstance(message, ReaderSaid)
            and isinstance(self.said, ReaderState)
            and isinstance(message.said, ReaderState)
        )


class SyncChanged(Message):
    """Rows arrived, or the way to the centre changed."""

    def __init__(self, standing: Standing | None = None) -> None:
        super().__init__()
        self.standing = standing

    def can_replace(self, message: Message) -> bool:
        """Only the newest counts."""
        return isinstance(message, SyncChanged)


class CustomerHere(Message):
    """Somebody tapped, and we know who, as far as `recognition` says; the counter announces it, the page stays."""

    def __init__(self, recognition: Recognition) -> None:
        super().__init__()
        self.recognition = recognition


class CustomerGone(Message):
    """The visit is over and wiped."""


class CounterRung(Message):
    """The customer asked for somebody: for a parcel, about what we owe, or for help. Durable where `is_recorded`.

    Attributes:
        action: One of the actions of `kiosk.core.page`, or "help".
        owner: Customer id, "" when nobody's page was open.
        about: Key of the row it is about, "" for none.
    """

    def __init__(self, action: str, *, owner: str, about: str, is_recorded: bool) -> None:
        super().__init__()
        self.action = action
        self.owner = owner
        self.about = about
        self.is_recorded = is_recorded


class StaffTold(Message):
    """Something staff should know: a fault code of `kiosk.core.faults`, or a reason of `Recognition`."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


class Spoken(Message):
    """The sentence a headset says for what is on the customer's screen now."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence

    def can_replace(self, message: Message) -> bool:
        """Only what is on the screen now is said."""
        return isinstance(message, Spoken)
