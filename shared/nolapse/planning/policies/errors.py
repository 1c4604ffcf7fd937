"""What can be wrong with a policy, and with what is asked of one.

NolapseError
├── PolicyRefused
├── NoSuchTenant
├── UnknownPolicy
├── AmbiguousPolicy
├── NotADraft
└── NothingToReturnTo
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from nolapse.domain.errors import NolapseError


class Problem(NamedTuple):
    """`field` is a path as the file spells it (`steps[1].days`); `text` says what to do."""

    file: str
    field: str
    text: str


class PolicyRefused(NolapseError):
    """Every problem of every file at once; nothing was loaded."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{file}: {field}: {text}" for file, field, text in problems))
        self.problems = problems


class NoSuchTenant(NolapseError):
    def __init__(self, policy: str, slug: str) -> None:
        super().__init__(
            f"policy {policy} is for tenant {slug!r}, which does not exist: create it or correct the slug"
        )
        self.slug = slug


class UnknownPolicy(NolapseError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no policy {name!r}; there are {', '.join(known) or 'none'}")
        self.name = name


class AmbiguousPolicy(NolapseError):
    def __init__(self, name: str, count: int) -> None:
        super().__init__(f"{count} policies are named {name!r}: say whose with --tenant")
        self.name = name


class NotADraft(NolapseError):
    def __init__(self, policy_id: UUID, version: int | None) -> None:
        which = "no draft" if version is None else f"no draft {version}"
        super().__init__(f"policy {policy_id} has {which}: it was activated, or a newer one was loaded")
        self.policy_id = policy_id
        self.version = version


class NothingToReturnTo(NolapseError):
    """A rollback would leave dates without any policy, and so nobody told."""

    def __init__(self, policy_id: UUID) -> None:
        super().__init__(
            f"policy {policy_id} has no former version and no more general policy to fall back to"
        )
        self.policy_id = policy_id
