"""Each option does something that can be seen from outside; wrong ones are refused by name.

R21: options that were ignored. Every test of an effect, in `test_options_*.py`, names its option;
the last test here asks for those that nobody has tested.
"""

import re
from importlib import import_module
from pathlib import Path

import attrs
import pytest

import tempest
from tempest import Durability, Options
from tests.tempest.observed import FIELDS, ROOMY, observed, roomy


def test_options_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ROOMY.block_bytes = 5  # type: ignore[misc]


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Options(Durability.OS)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="memtable_size"):
        Options(memtable_size=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_of_the_wrong_type_is_a_type_error_that_names_it(name: str) -> None:
    wrongs: list[object] = ["text", b"1", [1]]
    if FIELDS[name].default is not None:
        wrongs.append(None)
    if FIELDS[name].type is int:
        wrongs += [True, 4096.0]
    for wrong in wrongs:
        with pytest.raises(TypeError, match=name):
            roomy(**{name: wrong})


@pytest.mark.parametrize(
    "name", [name for name, field in FIELDS.items() if field.type in (int, float)]
)
@pytest.mark.parametrize("number", [-1, 1 << 60])
def test_an_option_out_of_bounds_is_an_invalid_error_that_names_it(
    name: str, number: int
) -> None:
    kind = FIELDS[name].type
    assert kind is not None
    with pytest.raises(tempest.InvalidError, match=name) as caught:
        roomy(**{name: kind(number)})
    assert isinstance(caught.value, ValueError)


def test_memtable_bytes_max_begins_at_one_kibibyte() -> None:
    assert Options(memtable_bytes_max=1024).memtable_bytes_max == 1024
    with pytest.raises(tempest.InvalidError, match="1024"):
        Options(memtable_bytes_max=1023)


@pytest.mark.parametrize("name", ["resume_seconds_max", "close_seconds_max"])
def test_seconds_may_be_whole_and_not_a_number_is_refused(name: str) -> None:
    assert attrs.asdict(roomy(**{name: 5}))[name] == 5
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(tempest.InvalidError, match=name):
            roomy(**{name: wrong})


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_is_described_with_its_default(name: str) -> None:
    entry = re.compile(
        rf"^        {name}: (.*?)(?=^        \w+: |\Z)", re.MULTILINE | re.DOTALL
    )
    found = entry.search(Options.__doc__ or "")
    assert found is not None
    assert re.search(r"[Dd]efault\s", found[1])


def test_every_option_has_a_test_that_observes_its_effect() -> None:
    for path in Path(__file__).parent.glob("test_options_*.py"):
        import_module(f"tests.tempest.{path.stem}")

    assert set(FIELDS) == observed
