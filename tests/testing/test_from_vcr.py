"""A project that used pytest-recording, after its move."""

from __future__ import annotations

import pytest

from tracetape.testing.cassette_files import own_name
from tracetape.testing.from_vcr import cassette_options

pytest_plugins = ["pytester"]

# Written by vcrpy: nothing listens at this address.
TAPE = """
interactions:
- request:
    body: null
    headers: {}
    method: GET
    uri: http://127.0.0.1:9/a
  response:
    body:
      string: answered
    headers: {}
    status: {code: 200, message: OK}
version: 1
"""
TESTS = """
import httpx, pytest

pytestmark = pytest.mark.vcr

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["authorization"], "match_on": ["method", "path"]}

def get(path):
    with httpx.Client(trust_env=False) as client:
        return client.get("http://127.0.0.1:9/" + path).text

def test_plain(vcr):
    assert get("a?x=1") == "answered"
    assert vcr.play_count == 1 and vcr.all_played
    assert vcr.requests[0].uri == "http://127.0.0.1:9/a"

class TestGroup:
    @pytest.mark.parametrize("path", ["a", "a?b/c"])
    def test_each(self, path):
        assert get(path) == "answered"

    @pytest.mark.vcr("extra.yaml", allow_playback_repeats=True)
    def test_extra(self):
        assert [get("a"), get("a")] == ["answered", "answered"]

@pytest.mark.default_cassette("other.yaml")
def test_named():
    assert get("a") == "answered"

def test_asks_nothing():
    pass
"""


@pytest.fixture
def moved(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Its tests and tapes, and the lines that docs/from-pytest-recording.md names."""
    monkeypatch.setenv("CI", "true")
    pytester.makeini(
        "[pytest]\naddopts = -p no:recording --strict-markers\ncassette_layout = beside\n"
    )
    pytester.makeconftest('pytest_plugins = ["tracetape.testing.from_vcr"]\n')
    folder = pytester.mkdir("tests")
    (folder / "test_web.py").write_text(TESTS)
    tapes = folder / "cassettes" / "test_web"
    tapes.mkdir(parents=True)
    for name in (
        "test_plain",
        "TestGroup.test_each[a]",
        "TestGroup.test_each[a-b-c]",
        "extra",
        "other",
    ):
        (tapes / f"{name}.yaml").write_text(TAPE)
    return pytester


def test_its_markers_fixtures_and_files_are_used(moved: pytest.Pytester) -> None:
    """Of modules, classes and tests; with names, options, a configuration and other tapes."""
    outcome = moved.runpytest_subprocess("--cassette-unused", "--record-mode=none")
    outcome.assert_outcomes(passed=6)
    outcome.stdout.fnmatch_lines(["all recordings and all cassettes were used"])


def test_what_has_no_counterpart_and_a_tape_that_no_test_has_are_named(
    moved: pytest.Pytester,
) -> None:
    """A fixture or a mark that would be without effect is an error of its tests, by their names."""
    (moved.path / "tests" / "cassettes" / "test_web" / "old.yaml").write_text(TAPE)
    (moved.path / "tests" / "test_dir.py").write_text(
        "import pytest\n@pytest.fixture\ndef vcr_cassette_dir():\n    return 'tapes'\n"
        "@pytest.mark.vcr\ndef test_elsewhere(vcr):\n    pass\ndef test_unmarked():\n    pass\n"
    )
    (moved.path / "tests" / "test_marks.py").write_text(
        "import pytest\n@pytest.mark.vcr(before_record_request=print)\ndef test_before(): pass\n"
        "@pytest.mark.cassette(record_mode='none')\ndef test_ours(): pass\n"
        "@pytest.mark.cassette(7)\ndef test_number(): pass\n"
    )
    outcome = moved.runpytest_subprocess("--cassette-unused")
    outcome.assert_outcomes(passed=7, errors=4)
    outcome.stdout.fnmatch_lines(
        [
            "*the fixture vcr_cassette_dir is not supported: use the ini options cassette_dir*",
            "tests/test_marks.py::test_before: *'before_record_request' is not supported: use *",
            "*unknown option 'record_mode' of a cassette, which is vcrpy's: use mode='none'*",
            "*test_number: *names of cassettes are texts, not 7: *",
            "tests/cassettes/test_web/old.yaml: no collected test uses it",
        ]
    )


def test_names_of_files_are_those_of_pytest_recording() -> None:
    """Asked of the package itself, if it is installed."""
    theirs = pytest.importorskip("pytest_recording.plugin").get_default_cassette_name
    for name in ("test_a", "test_a[b/c?d]", "test_a['x:y|<z>%*']", 'test_a["\\\\"]'):
        assert own_name([name]) == theirs(None, name)
        assert own_name(["TestB", "TestC", name]) == theirs(type("TestC", (), {}), name)


def test_options_without_a_counterpart_are_refused_by_name() -> None:
    """What is needless is left out."""
    assert cassette_options(
        {"record_mode": "rewrite", "ignore_localhost": True, "decode_compressed_response": True}
    ) == {"mode": "all", "ignore_hosts": ["localhost", "127.0.0.1", "0.0.0.0"]}
    assert cassette_options({"match_on": ["url", "raw_body"], "additional_matchers": [print]}) == {
        "match_on": ["uri", "body", print]
    }
    for name in ("before_record_request", "filter_query_parameters", "serializer", "not_known"):
        with pytest.raises(pytest.UsageError, match=f"option '{name}' is not supported: use "):
            cassette_options({name: print})


@pytest.mark.parametrize("theirs", [(), ("-p", "pytest_recording.plugin")], ids=["off", "on"])
def test_nothing_is_opened_where_recording_is_disabled(
    pytester: pytest.Pytester, theirs: tuple[str, ...]
) -> None:
    """Marked tests and blocks reach the network, also where pytest-recording is switched off."""
    if theirs:
        pytest.importorskip("pytest_recording")
    pytester.makepyfile(
        """
        import httpx, pytest, tracetape
        def refused():
            with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
                client.get("http://127.0.0.1:9/a")
        @pytest.mark.cassette
        def test_marked(cassette):
            refused()
            assert (cassette.recorded, cassette.misses) == (0, [])
        def test_block():
            with tracetape.cassette("block.yaml"):
                refused()
        """
    )
    pytester.runpytest_subprocess(*theirs, "--disable-recording").assert_outcomes(passed=2)
    assert not [*pytester.path.rglob("*.yaml")]
