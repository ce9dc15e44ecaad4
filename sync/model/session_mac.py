"""The signature of a request within a session, made and checked in one step: RFC 9421 with hmac-sha256, in the one form we write. Pure.

Every request of a kiosk has one, and a library that can write and read every form takes a hundred times as long at each end.
What does not have exactly this form is not judged here: `signatures` then asks the library. Both agree; a test holds them to it.

    signature-input   tapthread=("@method" "@target-uri" "content-digest" "x-req" "device-seq");created=S;keyid="ID";
                      alg="hmac-sha256";nonce="HEX";tag="tapthread-session"
    signature         tapthread=:BASE64:
    content-digest    sha-256=:BASE64:
"""

import hashlib
import hmac
import re
from base64 import b64encode
from typing import Final

from sync.model.ports import Headers, Request

_COVERED: Final = '("@method" "@target-uri" "content-digest" "x-req" "device-seq")'
_INPUT: Final = re.compile(
    r'tapthread=(\("@method" "@target-uri" "content-digest" "x-req" "device-seq"\);created=(\d{1,15});'
    r'keyid="([A-Za-z0-9_.~=+/:-]{1,900})";alg="hmac-sha256";nonce="([0-9a-f]{1,64})";tag="tapthread-session")'
)
_SIGNATURE: Final = re.compile(r"tapthread=:([A-Za-z0-9+/]{43}=):")
_SIGNED_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_ADDRESS: Final = re.compile(r"https?://[^/?]+/.*")
_OWN: Final = ("content-digest", "signature-input", "signature")


def signed(
    request: Request, *, url: str, key_id: str, key: bytes, created_s: int, nonce: str
) -> Request | None:
    """The request with its signature; None when it cannot have this form.

    Args:
        request: Has `x-req` and `device-seq`, each once.
        url: Its address in the form both ends write.
        key_id: Of the session.
        key: Of the session, 32 bytes.
        created_s: Whole seconds since 1970.
        nonce: Hex digits drawn for this request.
    """
    digest = _digest(request.body)
    params = (
        f'{_COVERED};created={created_s};keyid="{key_id}";alg="hmac-sha256";nonce="{nonce}";'
        'tag="tapthread-session"'
    )
    kept = tuple(line for line in request.headers if line[0] not in _OWN)
    lines = (
        ("content-digest", digest),
        ("signature-input", f"tapthread={params}"),
    )
    covered = _covered(kept)
    if covered is None or not _ADDRESS.fullmatch(url) or not _INPUT.fullmatch(lines[1][1]):
        return None
    mac = hmac.digest(key, _base(request.method, url, digest, covered, params), "sha256")
    signature = ("signature", f"tapthread=:{b64encode(mac).decode()}:")
    return Request(request.method, request.url, (*kept, *lines, signature), request.body)


class Offered:
    """A signature in our form, not checked yet.

    Attributes:
        key_id: The session it says it is of.
        created_s: When it says it was made, whole seconds since 1970.
        nonce: Drawn by the sender for this request alone.
    """

    def __init__(
        self, request: Request, url: str, covered: tuple[str, str], digest: str
    ) -> None:
        found = _INPUT.fullmatch(request.header("signature-input"))
        assert found is not None  # `offered` looked
        self._params = found[1]
        self.created_s = int(found[2])
        self.key_id = found[3]
        self.nonce = found[4]
        self._base = _base(request.method, url, digest, covered, self._params)
        self._signature = request.header("signature")
        self._is_of_body = hmac.compare_digest(digest, _digest(request.body))

    def holds(self, key: bytes) -> bool:
        """Whether it was made with this key, over this request and this body."""
        mac = b64encode(hmac.digest(key, self._base, "sha256")).decode()
        is_made = hmac.compare_digest(self._signature, f"tapthread=:{mac}:")
        return is_made and self._is_of_body


def offered(request: Request, *, url: str) -> Offered | None:
    """The signature of a request where it has exactly our form; None where the library has to look at it."""
    names = [name for name, _ in request.headers]
    if not _ADDRESS.fullmatch(url) or any(names.count(name) != 1 for name in _OWN):
        return None
    covered = _covered(request.headers)
    digest = request.header("content-digest")
    if (
        covered is None
        or _INPUT.fullmatch(request.header("signature-input")) is None
        or _SIGNATURE.fullmatch(request.header("signature")) is None
        or _SIGNED_VALUE.fullmatch(digest) is None
    ):
        return None
    return Offered(request, url, covered, digest)


def _covered(headers: Headers) -> tuple[str, str] | None:
    """The request id and the sequence number; None where one is missing, doubled or written oddly."""
    found = [value for name in ("x-req", "device-seq") for key, value in headers if key == name]
    if len(found) != 2 or not all(map(_SIGNED_VALUE.fullmatch, found)):
        return None
    names = [name for name, _ in headers if name in ("x-req", "device-seq")]
    return (found[0], found[1]) if sorted(names) == ["device-seq", "x-req"] else None


def _base(method: str, url: str, digest: str, covered: tuple[str, str], params: str) -> bytes:
    """What is signed. Source: RFC 9421, 2.5."""
    return (
        f'"@method": {method}\n"@target-uri": {url}\n"content-digest": {digest}\n"x-req": {covered[0]}\n'
        f'"device-seq": {covered[1]}\n"@signature-params": {params}'
    ).encode()


def _digest(body: bytes) -> str:
    """Source: RFC 9530, 2."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"
