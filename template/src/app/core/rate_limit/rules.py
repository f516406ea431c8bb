"""What is limited, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from limits import RateLimitItem, parse_many

from app.core.rate_limit.settings import RateLimitSettings

type RuleName = Literal[
    "client",
    "tenant",
    "login_account",
    "login_address",
    "register_address",
    "mail_account",
    "token_address",
]
"""`RateLimitSettings` says what each is for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named limit; where it has several parts, all of them hold."""

    name: RuleName
    limits: tuple[RateLimitItem, ...]


type Rules = Mapping[RuleName, Rule]


def rules_from(settings: RateLimitSettings) -> Rules:
    """Return every rule, from the setting of the same name."""
    names: tuple[RuleName, ...] = get_args(RuleName.__value__)
    return {name: Rule(name, tuple(parse_many(getattr(settings, name)))) for name in names}
