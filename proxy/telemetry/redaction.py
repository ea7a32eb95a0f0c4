"""Take out of queries what looks like a secret, before anything is written down.

A value goes by its name (`access_token`, `X-Amz-Signature`, `apiKey`, an OAuth `code`), or
because it is a JWT. Too much is masked rather than too little.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_plus

MASK = "***"

_NAME = re.compile(
    "token|secret|passw|passphrase|pwd|credential|signature|session|jwt|bearer|hmac"
    r"|auth(?!ors?(?:[^a-z]|$))|key(?:[^a-z]|$)"
    r"|(?:^|[^a-z])(?:code|sig|sid|pass|pin|otp)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+")
_ASSIGNED = re.compile(
    r"""([\w.-]{1,64})(?:\\?["'])?\s{0,3}(?:=>|[:=])\s{0,3}(?:\\?["'])?(?:(?:Basic|Bearer)\s{1,3})?""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""[^\s"'&;,<>\\]{1,512}""")
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{0,100}:[^\s/@]{1,200}(?=@)")
_PAIR = re.compile(r"([^&;=]+)=([^&;]*)")


def masked_query(query: str) -> str:
    """`query` with `***` for every value that looks secret; the rest byte for byte."""
    # Nearly all queries hold none. To know that, remembered names beat any search.
    if "%" not in query and ";" not in query and "eyJ" not in query:
        for pair in query.split("&"):
            if _is_secret(pair.partition("=")[0]):
                break
        else:
            return query
    return _PAIR.sub(_masked_pair, query)


def _masked_pair(pair: re.Match[str]) -> str:
    name, value = pair.groups()
    if _is_secret(unquote_plus(name)) or _JWT.search(value):
        return f"{name}={MASK}"
    return pair[0]


def masked_text(text: str) -> str:
    """`text`, such as a stack trace, with `***` for what is assigned to a name that looks secret.

    And for JWTs, and for user and password in URLs. What stands without a name is not known for a secret.
    """
    text = _USERINFO.sub(MASK, _JWT.sub(MASK, text))
    kept, at = [], 0
    for found in _ASSIGNED.finditer(text):
        value = _VALUE.match(text, found.end())
        if value is not None and found.start() >= at and _is_secret(found[1]):
            kept += [text[at : found.end()], MASK]
            at = value.end()
    return "".join((*kept, text[at:]))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _NAME.search(name) is not None
