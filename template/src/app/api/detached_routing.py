"""Routes that are admitted as others are, and then hold no connection while they work."""

from app.api.routing import AdmittingRoute


class DetachedRoute(AdmittingRoute):
    """Ends the transaction after admission. The endpoint has no session; its service opens transactions of its own."""

    detached = True
