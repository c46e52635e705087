"""Ready rules for `configure(redact=…)`: common personal data, and keys to services.

They find what has a shape of its own; names and addresses of people have none.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Any

from tracetape.privacy.redactor import HIDDEN
from tracetape.privacy.shapes import without_secrets

__all__ = ["personal_data", "secret_keys"]

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+\b")
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?!\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_SOCIAL_SECURITY = re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b")
_PHONE = re.compile(r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?)(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}\b")
_US_PHONE = re.compile(r"(?<![\w.+-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}\b")
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{3,39}(?![\w:])")
_IP = re.compile(rf"(?<![\w.])(?:{_BYTE}\.){{3}}{_BYTE}(?!\w|\.\d)")


def personal_data(path: str, value: Any) -> Any:
    """Hide e-mail addresses, phone numbers, IP addresses, and numbers of cards and accounts.

    Card numbers are checked by their last digit (ISO/IEC 7812), IBANs by theirs (ISO 13616), so
    that other long numbers stay. Phone numbers need a country's code or the North American form.
    """
    del path
    if not isinstance(value, str):
        return value
    value = _EMAIL.sub(HIDDEN, value)
    value = _IBAN.sub(lambda found: HIDDEN if _is_iban(found[0]) else found[0], value)
    value = _SOCIAL_SECURITY.sub(HIDDEN, value)
    value = _CARD.sub(lambda found: HIDDEN if _is_card(found[0]) else found[0], value)
    value = _US_PHONE.sub(HIDDEN, _PHONE.sub(HIDDEN, value))
    value = _IP.sub(HIDDEN, value)
    return _IPV6.sub(lambda found: HIDDEN if _is_ipv6(found[0]) else found[0], value)


def secret_keys(path: str, value: Any) -> Any:
    """Hide keys and tokens of OpenAI, Anthropic, Databricks, AWS, Google, GitHub, Azure and others.

    The shapes are those that `tracetape cassette check` looks for.
    """
    del path
    if not isinstance(value, str):
        return value
    return without_secrets(value, HIDDEN)


def _is_card(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    turned = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1
