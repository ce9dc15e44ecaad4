"""What is said aloud, one sentence a state; never more than the screen shows."""

from typing import Final

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "spoken.attract": (
        "Hold your band to the reader.",
        "Halten Sie Ihr Band an den Leser.",
    ),
    "spoken.reading": ("One moment.", "Einen Moment."),
    "spoken.masked": (
        "Are you still here? Touch the screen or press any key.",
        "Sind Sie noch da? Berühren Sie den Bildschirm oder drücken Sie eine Taste.",
    ),
    "spoken.neutral": (
        "Please see our team at the counter.",
        "Bitte gehen Sie zu unserem Team am Tresen.",
    ),
    "spoken.again": (
        "Please hold your band to the reader again, a little longer.",
        "Bitte halten Sie Ihr Band noch einmal an den Leser, etwas länger.",
    ),
    "spoken.one-band": (
        "One band at a time, please. Hold only yours to the reader.",
        "Bitte nur ein Band. Halten Sie nur Ihres an den Leser.",
    ),
    "spoken.reader-gone": (
        "Please see our team. Bands cannot be read here at the moment.",
        "Bitte gehen Sie zu unserem Team. Bänder sind hier gerade nicht lesbar.",
    ),
    "spoken.out-of-order": (
        "Please see our team. This screen is out of order.",
        "Bitte gehen Sie zu unserem Team. Dieser Bildschirm ist außer Betrieb.",
    ),
    "spoken.not-possible": (
        "Please see our team. Your page cannot be opened here today.",
        "Bitte gehen Sie zu unserem Team. Ihre Seite ist heute hier nicht möglich.",
    ),
    "spoken.code": (
        "Your code is {digits}. Send it to us within ten minutes.",
        "Ihr Code ist {digits}. Senden Sie ihn uns binnen zehn Minuten.",
    ),
    "spoken.known": ("We know your request.", "Wir kennen Ihre Anfrage."),
    "spoken.waiting": ("Something is waiting for you.", "Für Sie liegt etwas bereit."),
    "spoken.owed": ("We owe you an answer.", "Wir schulden Ihnen eine Antwort."),
}
"""Id to one sentence a language."""
