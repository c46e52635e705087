"""Anthropic's API: its endpoints, and the environment variables of its client."""

from tracetape.instrument import Api, Endpoint, Variables

__all__ = ["API"]

API = Api(
    endpoints={
        "/v1/messages": Endpoint(
            "tracetape_anthropic.messages:Messages",
            messages="tracetape_anthropic.messages:MessageBlockReader",
        )
    },
    variables=Variables(
        key="ANTHROPIC_API_KEY",
        base_url="ANTHROPIC_BASE_URL",
        origin="https://api.anthropic.com",
        other_logins=("ANTHROPIC_AUTH_TOKEN",),  # the client would send both
    ),
)
