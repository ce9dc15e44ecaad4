"""Our own signature, as whoever writes to the event API makes it."""

import hmac


def our_headers(body: bytes, now_s: int, secret: str) -> dict[str, str]:
    """The header that signs a body at this time."""
    mac = hmac.digest(secret.encode(), f"{now_s}.".encode() + body, "sha256").hex()
    return {"tapthread-signature": f"t={now_s},v1={mac}"}
