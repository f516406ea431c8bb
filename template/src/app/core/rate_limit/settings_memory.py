"""How many hits are too many."""

from pydantic import BaseModel

from app.core.rate_limit.settings import RateLimitSettings


class LimitSections(BaseModel):
    """What `Settings` has for the rate limits."""

    rate_limits: RateLimitSettings = RateLimitSettings()
