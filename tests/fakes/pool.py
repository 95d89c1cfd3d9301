"""A fake of the port PoolSite: lease files and what is left of users, as the test sets them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provider_daemon.errors import Transient
from provider_daemon.job.leases import Remains
from tests.fakes.chain import FakeClock

NOTHING = Remains(0, (), ())


@dataclass
class FakePoolSite:
    """`files`: user -> (line, time of the last claim). `left`: what a user has at the site.

    `stuck`: users whose files cannot be deleted. `down`: nothing answers; `lose_answers`: a claim is made,
    and its answer never arrives.
    """

    clock: FakeClock
    files: dict[str, tuple[str, float]] = field(default_factory=dict)
    left: dict[str, Remains] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    cleaned: list[str] = field(default_factory=list)
    claims: list[list[str]] = field(default_factory=list)
    down: bool = False
    lose_answers: bool = False

    async def leases(self) -> Mapping[str, str]:
        self._answer()
        return {user: line for user, (line, _) in self.files.items()}

    async def claim(self, wanted: Mapping[str, str]) -> Mapping[str, str]:
        self._answer()
        self.claims.append(sorted(wanted))
        for user, line in wanted.items():
            if self.files.setdefault(user, (line, 0.0))[0] == line:
                self.files[user] = line, self.clock.now()
        if self.lose_answers:
            raise Transient("the lease files: no answer")
        return {user: self.files[user][0] for user in wanted}

    async def end(self, user: str, holder: str, seconds: int) -> bool:
        self._answer()
        line, claimed_at = self.files.get(user, (holder, 0.0))
        if line != holder or self.clock.now() - claimed_at < seconds:
            return False
        self.files.pop(user, None)
        return True

    async def remains(self, user: str) -> Remains:
        self._answer()
        return self.left.get(user, NOTHING)

    async def clean(self, user: str) -> None:
        self._answer()
        self.cleaned.append(user)
        if user not in self.stuck:
            self.left.pop(user, None)

    def _answer(self) -> None:
        if self.down:
            raise Transient("the site does not answer")
