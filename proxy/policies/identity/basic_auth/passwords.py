"""Passwords against slow hashes: never on the event loop, and not twice in a short time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b

from proxy.policies.identity.basic_auth.htpasswd import Hashed
from proxy.policy import Services

MOST_REMEMBERED = 10_000
_LONGEST = 72
"""Bytes that bcrypt looks at; a longer password would be as good as its beginning."""
_LETTERS = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Check = Callable[[bytes, bytes], bool]
"""Whether a password is that of a hash."""


class Verified:
    """Credentials that were right a short while ago: digests with a key that no other process has."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def digest(self, hashed: bytes, credential: bytes) -> bytes:
        """Of another hash, another one: a password that was changed is not remembered."""
        return blake2b(b"%b\0%b" % (hashed, credential), key=self._key, digest_size=32).digest()

    def has(self, digest: bytes, now: float) -> bool:
        """It was right, and is not too long ago."""
        until = self._until.get(digest)
        if until is None or until > now:
            return until is not None
        del self._until[digest]
        return False

    def add(self, digest: bytes, until: float) -> None:
        """Remember it; where there are too many, forget what was verified first."""
        self._until[digest] = until
        self._until.move_to_end(digest)
        if len(self._until) > MOST_REMEMBERED:
            self._until.popitem(last=False)


class Passwords:
    """The users of one file. Raises ValueError where what checks hashes is not installed."""

    def __init__(self, users: Mapping[str, Hashed], remember_for: float, services: Services) -> None:
        self._check = bcrypt_check()
        self._users = users
        self._remember_for = remember_for
        self._monotonic = services.clock.monotonic
        self._in_thread = services.in_thread
        self._verified = services.shared("verified", lambda: Verified(services.random.randbytes(32)))
        self._dummies = [_dummy(hashed.cost) for hashed in users.values()]
        self._under_way: dict[bytes, asyncio.Task[bool]] = {}

    async def accepts(self, user: str, password: bytes) -> bool:
        """Whether it is the user's; takes as long where nobody is called so. Raises Busy."""
        if len(password) > _LONGEST:
            return False
        credential = b"%b:%b" % (user.encode("utf-8", "surrogateescape"), password)
        known = self._users.get(user)
        hashed = self._dummy_for(credential) if known is None else known.hash
        digest = self._verified.digest(hashed, credential)
        if self._verified.has(digest, self._monotonic()):
            return True
        # Who shows a credential often shows it many times at once: it is checked once.
        checking = self._under_way.get(digest)
        if checking is None:
            checking = asyncio.ensure_future(self._checked(hashed, password, digest))
            self._under_way[digest] = checking
            checking.add_done_callback(lambda done: self._ended(digest, done))
        return await asyncio.shield(checking)  # one of those who wait for it may leave

    async def _checked(self, hashed: bytes, password: bytes, digest: bytes) -> bool:
        right = await self._in_thread(lambda: self._check(password, hashed))
        if right:
            self._verified.add(digest, self._monotonic() + self._remember_for)
        return right

    def _ended(self, digest: bytes, checking: asyncio.Task[bool]) -> None:
        del self._under_way[digest]
        if not checking.cancelled():
            checking.exception()  # perhaps all who waited for it have left

    def _dummy_for(self, credential: bytes) -> bytes:
        """Costs are as among those who exist; for one name it is always the same."""
        name = credential.partition(b":")[0]
        number = int.from_bytes(self._verified.digest(b"", name)[:8], "big")
        return self._dummies[number % len(self._dummies)]


def bcrypt_check() -> Check:
    """Raises ValueError in words for the operator where the package is missing."""
    try:
        import bcrypt  # noqa: PLC0415  # an extra: only where a policy needs it
    except ModuleNotFoundError:
        raise ValueError(
            "`htpasswd` needs the package bcrypt; expected an installation as seawall[htpasswd]"
        ) from None
    return bcrypt.checkpw


def cheaply_hashed(password: bytes) -> bytes:
    """For rehearsals, where time is not to be lost. Raises ValueError, in words for the operator."""
    bcrypt_check()
    import bcrypt  # noqa: PLC0415  # an extra

    if len(password) > _LONGEST:
        raise ValueError(f"a credential is too long for bcrypt; expected at most {_LONGEST} bytes")
    return bcrypt.hashpw(password, bcrypt.gensalt(4))


def _dummy(cost: int) -> bytes:
    """A hash that no password is known for."""
    return b"$2b$%02d$%b.%b" % (cost, _LETTERS[:21], _LETTERS[-31:])
