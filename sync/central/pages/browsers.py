"""Bodies, cookies and headers as browsers have them, as values; pure.

Each form carries a key made from the browser's cookie and from what the form does to whom: a page of somebody else cannot
know it, and a key of one form opens no other.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from sync.model.ports import Request, Response

BODY_MAX: Final = 32_768
"""Bytes of a form: a long note and what stands around it."""

FIELDS_MAX: Final = 32

COOKIE: Final = "agent"

ASSET_AGE_S: Final = 3_600

_POLICY: Final = "default-src 'none'; style-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors {}"
_SCRIPTED: Final = "; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
"""For the one page with a script of ours: no other runs, none of its own making, and it speaks to us alone."""

_ALWAYS: Final = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-robots-tag", "noindex, nofollow"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)


def is_secure(request: Request) -> bool:
    """Whether the browser came by TLS."""
    return request.url.startswith("https://")


def path_of(request: Request) -> str:
    """The path, without what comes after it; "" for none."""
    try:
        return urlsplit(request.url).path
    except ValueError:
        return ""


def is_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that a page of another origin sent this."""
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site and site not in ("same-origin", "none"):
        return True
    if not origin:
        return False
    try:
        return urlsplit(origin).netloc != urlsplit(request.url).netloc
    except ValueError:
        return True


def fields_of(request: Request) -> Mapping[str, str] | None:
    """The fields of a form, white space around them gone; None for what no form of ours sends."""
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(request.body) > BODY_MAX:
        return None
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(request.body),
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        return None
    fields = dict(pairs)
    if len(fields) < len(pairs) or any("\0" in value for value in fields.values()):
        return None
    return {name: value.replace("\r\n", "\n").strip() for name, value in fields.items()}


def cookie_of(request: Request) -> str:
    """The value of our cookie; "" without one."""
    wanted = _cookie_name(request)
    for name, value in request.headers:
        if name != "cookie":
            continue
        for part in value.split(";"):
            key, _, said = part.strip().partition("=")
            if key == wanted:
                return said
    return ""


def set_cookie(request: Request, value: str) -> tuple[str, str]:
    """The header that gives a browser our cookie, or takes it away where `value` is empty."""
    parts = [f"{_cookie_name(request)}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if is_secure(request):
        parts.append("Secure")
    if not value:
        parts.append("Max-Age=0")
    return ("set-cookie", "; ".join(parts))


def _cookie_name(request: Request) -> str:
    """With TLS one that no other host and no page without TLS can set. Source: RFC 6265bis, 4.1.3.2."""
    return f"__Host-{COOKIE}" if is_secure(request) else COOKIE


def form_key(cookie: str, purpose: str) -> str:
    """The key of the form that does `purpose` in the browser with this cookie."""
    return hmac.new(cookie.encode(), f"form {purpose}".encode(), hashlib.sha256).hexdigest()


def is_form_key(given: str, cookie: str, purpose: str) -> bool:
    """Whether a form came with its key."""
    return bool(cookie) and hmac.compare_digest(
        given.encode("utf-8", "replace"), form_key(cookie, purpose).encode()
    )


def page(
    request: Request,
    html: str,
    *headers: tuple[str, str],
    status: int = 200,
    is_framed: bool = False,
    is_scripted: bool = False,
) -> Response:
    """A page; `is_framed` where a page of ours shows it inside itself, `is_scripted` where our script may run on it."""
    policy = _POLICY.format("'self'" if is_framed else "'none'")
    made = [
        *_ALWAYS,
        ("content-security-policy", policy + _SCRIPTED * is_scripted),
        ("x-frame-options", "SAMEORIGIN" if is_framed else "DENY"),
        ("content-type", "text/html; charset=utf-8"),
        *headers,
    ]
    if is_secure(request):
        made.append(("strict-transport-security", "max-age=31536000"))
    return Response(status, tuple(made), html.encode("utf-8", "replace"))


def onward(path: str, *headers: tuple[str, str]) -> Response:
    """Go on to another page, with a plain request: what a form did is not done again by loading that."""
    return Response(303, (*_ALWAYS, ("location", path), *headers))


def asset(content: bytes, kind: str) -> Response:
    """The one style sheet, the one script; they say nothing of anybody. `kind` is css or javascript."""
    kept = tuple(it for it in _ALWAYS if it[0] != "cache-control")
    age = ("cache-control", f"public, max-age={ASSET_AGE_S}")
    return Response(200, (age, *kept, ("content-type", f"text/{kind}; charset=utf-8")), content)


def done(status: int = 204) -> Response:
    """The answer to a script: only whether it was done."""
    return Response(status, _ALWAYS)
