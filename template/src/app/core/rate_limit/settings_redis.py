"""Where hits are counted, and how many are too many."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, SecretStr

from app.core.rate_limit.settings import RateLimitSettings
from app.core.sections import Section, is_url


def _redis_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    path = urlsplit(url).path.strip("/") if is_url(url, "redis", "rediss") else "none"
    if path and not path.isdecimal():
        raise ValueError("must look like redis://:password@host:6379/0")
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]


class RedisSettings(Section):
    """Redis or Valkey, for rate-limit counters only: nothing there must survive."""

    url: RedisUrl
    timeout: timedelta = timedelta(milliseconds=250)
    """How long a request waits for Redis before the in-process fallback decides."""


class LimitSections(BaseModel):
    """What `Settings` has for the rate limits."""

    redis: RedisSettings
    rate_limits: RateLimitSettings = RateLimitSettings()
