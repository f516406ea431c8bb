"""`?limit=` and `?cursor=` of lists."""

from typing import Annotated

from fastapi import Depends, Query

from app.schemas.base import NEWEST, Cursor, PageRequest, Position


async def get_page_request(
    limit: Annotated[int, Query(ge=1, le=100, description="Rows on a page.")] = 50,
    cursor: Annotated[
        Cursor | None, Query(description="`next_cursor` of the page before; nothing for the first.")
    ] = None,
) -> PageRequest:
    """Return the page that the client asks for."""
    return PageRequest(limit, NEWEST if cursor is None else Position.decode(cursor))


PageRequestDep = Annotated[PageRequest, Depends(get_page_request)]
