"""How a user gives the options that a message advises: in a program, to pytest, to a command."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["IN_PROGRAM", "IN_PYTEST", "ON_COMMAND_LINE", "Advice"]


@dataclass(frozen=True)
class Advice:
    """The options, spelled as this user would write them.

    Attributes:
        new: the mode that adds recordings.
        anew: the mode that records the whole cassette again.
        once: the mode for a first recording.
        ignore: the option for fields that vary.
        allow: the option for hosts that are reached for real.
        rename: the option for URLs that differ; a template with `sent` and `kept`.
        scrub: what to do about a secret.
        repeat: the option by which one recording answers several requests.
        reason: why the mode is what it is; empty where the user's code names it.
    """

    new: str
    anew: str
    once: str
    ignore: str
    allow: str
    rename: str
    scrub: str
    repeat: str = "cassette(allow_playback_repeats=True)"
    reason: str = ""


IN_PROGRAM = Advice(
    new="mode 'new_episodes'",
    anew="mode 'all'",
    once="mode 'once'",
    ignore="cassette(ignore=[…])",
    allow="cassette(allow_hosts=[…])",
    rename="rename_hosts={{{sent!r}: {kept!r}}}",
    scrub="remove it with cassette(scrub=…), or do not send it",
)
IN_PYTEST = replace(
    IN_PROGRAM,
    new="--cassette-mode=new_episodes",
    anew="--cassette-mode=all",
    once="--cassette-mode=once",
)
ON_COMMAND_LINE = Advice(
    new="--cassette-mode=new_episodes",
    anew="--cassette-mode=all",
    once="--cassette-mode=once",
    ignore="--cassette-ignore FIELD",
    allow="--cassette-allow-host HOST",
    rename="--cassette-rename {sent}={kept}",
    scrub="do not send it, or open the cassette in the program, with cassette(scrub=…)",
    repeat="cassette(allow_playback_repeats=True) in the program",
)
