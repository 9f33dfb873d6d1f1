"""How the control plane says no."""


class RefusedError(Exception):
    """A change the tenant does not allow. ``field`` names what was wrong with the request."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
