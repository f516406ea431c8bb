"""Rate limits that no measurement reaches."""

from typing import Final

from app.core.rate_limit.settings import RateLimitSettings

UNLIMITED: Final = {
    f"RATE_LIMITS__{name.upper()}": "1000000 per 1 second"
    for name in RateLimitSettings.model_fields
    if name != "enabled"
}
"""In the environment of a service, which counts them all the same."""
