"""A LinkedIn SCIM service behind a real socket: faithful where public text is clear, switchable where it is not."""

from simulators.linkedin.server import LinkedInSimulator

__all__ = ["LinkedInSimulator"]
