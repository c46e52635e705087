"""The HTTP libraries whose requests a tape answers: httpx2, httpx and requests."""

from tracetape.cassettes.transports.install import install, uninstall

__all__ = ["install", "uninstall"]
