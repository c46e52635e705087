"""Each example runs as the README says: from its cassette, without network or key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tracetape.store import open_store
from tracetape.views import tree_text

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
SECRETS = ("OPENAI_", "DATABRICKS_", "TRACETAPE_")

TREES = {
    "basic": """\
add  OK
└── add
    ├── → {"a":1,"b":2}
    └── ← 3""",
    "by_hand": """\
conversation  OK
└── conversation
    ├── ← [{"role":"system","content":"You are a helpful assistant. Answer in one sentence."},{"rol…
    ├── turn
    │   ├── → What is the capital of France?
    │   ├── ← The capital of France is Paris.
    │   └── model  CHAT_MODEL
    │       ├── → user: What is the capital of France?
    │       └── ← The capital of France is Paris.
    └── turn
        ├── → Which river flows through it?
        ├── ← The river that flows through it is the Seine.
        └── model  CHAT_MODEL
            ├── → user: Which river flows through it?
            └── ← The river that flows through it is the Seine.""",
    "chat": """\
answer  OK  89 → 9 tokens
└── answer  CHAIN
    ├── → Name a famous museum there.
    ├── ← The famous museum is the Louvre.
    ├── User
    │   ├── → Name a famous museum there.
    │   └── • question received
    └── Completions  CHAT_MODEL  databricks/gemma3-270m  89 → 9 tokens
        ├── → user: Name a famous museum there.
        └── ← The famous museum is the Louvre.""",
    "events": """\
import  OK
└── import
    ├── • file opened
    ├── • file written by its author
    └── • ValueError: invalid literal for int() with base 10: 'twelve'""",
    "parallel": """\
describe_all  OK  81 → 17 tokens
└── describe_all  WORKFLOW
    ├── → ["Paris","Oslo","Rome"]
    ├── ← {"Paris":"Paris is a country in the French Republic.","Oslo":"Norway","Rome":"Italy"}
    ├── describe  CHAIN
    │   ├── → Paris
    │   ├── ← Paris is a country in the French Republic.
    │   └── AsyncCompletions  CHAT_MODEL  openai/gemma3-270m  27 → 11 tokens
    │       ├── → user: In which country is Paris?
    │       └── ← Paris is a country in the French Republic.
    ├── describe  CHAIN
    │   ├── → Oslo
    │   ├── ← Norway
    │   └── AsyncCompletions  CHAT_MODEL  openai/gemma3-270m  27 → 3 tokens
    │       ├── → user: In which country is Oslo?
    │       └── ← Norway
    └── describe  CHAIN
        ├── → Rome
        ├── ← Italy
        └── AsyncCompletions  CHAT_MODEL  openai/gemma3-270m  27 → 3 tokens
            ├── → user: In which country is Rome?
            └── ← Italy""",
    "databricks_rag": """\
answer  OK  99 → 32 tokens
└── answer  CHAIN
    ├── → When was the tape deck invented?
    ├── ← The tape deck was invented in 1935 in Berlin.
    ├── vector_search_indexes.query_index  RETRIEVER
    │   ├── → {"index_name":"main.docs.tape_index","columns":["id","text","url"],"num_results":2,"q…
    │   └── ← 2 documents: The tape deck was invented in 1935 in Berlin. · A cassette holds two min…
    ├── serving_endpoints.query  CHAT_MODEL  databricks/gemma3-270m  58 → 16 tokens
    │   ├── → user: When was the tape deck invented?
    │   └── ← The tape deck was invented in 1935 in Berlin.
    └── Completions  CHAT_MODEL  databricks/gemma3-270m  41 → 16 tokens
        ├── → user: Say it in five words: The tape deck was invented in 1935 in Berlin.
        └── ← The tape deck was invented in 1935 in Berlin.""",
    "rag": """\
answer  OK  61 → 16 tokens
└── answer  CHAIN
    ├── → When was the tape deck invented?
    ├── ← The tape deck was invented in 1935 in Berlin.
    ├── retrieve  RETRIEVER
    │   ├── → {"question":"When was the tape deck invented?","count":2}
    │   └── ← 2 documents: The tape deck was invented in 1935 in Berlin. · A tape is rewound by tur…
    └── Completions  CHAT_MODEL  openai/gemma3-270m  61 → 16 tokens
        ├── → user: When was the tape deck invented?
        └── ← The tape deck was invented in 1935 in Berlin.""",
    "retriever": """\
retrieve  OK
└── retrieve  RETRIEVER
    ├── → trace
    └── ← 2 documents: Spans form a tree: the trace. · A trace has one root span.""",
    "statuses": """\
final  OK
└── final""",
}
OUTPUTS = {
    "by_hand": "> What is the capital of France?\nThe capital of France is Paris.\n\n"
    "> Which river flows through it?\nThe river that flows through it is the Seine.\n\n"
    "5 spans; right is said of them\n",
    "basic": "add {'a': 1, 'b': 2} -> 3\n",
    "databricks_rag": "The tape deck was invented in 1935 in Berlin.\n",
    "events": "file opened ['path']\nfile written by its author []\n"
    "exception ['exception.message', 'exception.stacktrace', 'exception.type']\n",
    "retriever": "1 Spans form a tree: the trace. {'doc_uri': 'docs/traces.md', 'score': 0.92}\n"
    "3 A trace has one root span. {'doc_uri': 'docs/traces.md', 'score': 0.81}\n",
    "statuses": "nothing said: OK\nby word: ERROR - the answer was empty\n"
    "by exception: TimeoutError: the index did not answer\nOK, then ERROR: OK\n",
    "rag": "The tape deck was invented in 1935 in Berlin.\n",
    "parallel": "Paris: Paris is a country in the French Republic.\nOslo: Norway\nRome: Italy\n",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_replays_to_the_same_output_and_tree(
    name: str, tmp_path: Path, command_warm: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """No variable of the services is set, and a request that is not on the tape would fail."""
    cassette = ROOT / "cassettes" / "examples" / f"{name}.yaml"
    replay = ["--cassette", str(cassette), "--cassette-mode", "none"] if cassette.exists() else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SECRETS)}
    script = str(ROOT / "examples" / f"{name}.py")
    done = command_warm("run", *replay, script, environment=environment)

    assert done.returncode == 0, done.stderr
    if name in OUTPUTS:
        assert done.stdout == OUTPUTS[name]
    store = open_store(str(tmp_path / ".tracetape" / "traces.db"), read_only=True)
    newest = store.list_traces(1)[0]
    trace = store.get_trace(int(newest.trace_id.removeprefix("tr-"), 16))
    store.close()
    assert trace is not None
    assert tree_text(trace, times=False) == TREES[name]


def test_every_tape_belongs_to_an_example() -> None:
    """No cassette is left of an example that is gone."""
    tapes = {path.stem for path in (ROOT / "cassettes" / "examples").iterdir()}
    assert tapes <= set(EXAMPLES)
