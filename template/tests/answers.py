"""What an answer says."""

import httpx


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem document."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")
