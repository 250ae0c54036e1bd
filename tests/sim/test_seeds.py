"""A stream depends on its seed and its name, and on nothing else."""

from hypothesis import given, strategies as st

from sim import Seeds

NAMES = st.text(min_size=1, max_size=8)


@given(st.integers(), NAMES, NAMES, st.integers(0, 20))
def test_draws_in_one_stream_move_no_other(
    seed: int, one: str, other: str, draws: int
) -> None:
    seeds = Seeds(seed)
    undisturbed = seeds.stream(other).random()
    stream = seeds.stream(one)
    for _ in range(draws):
        stream.random()

    assert seeds.stream(other).random() == undisturbed


@given(st.integers(), NAMES)
def test_names_and_families_have_streams_of_their_own(seed: int, name: str) -> None:
    seeds = Seeds(seed)
    numbers = [
        seeds.number(name),
        seeds.number(name + "'"),
        seeds.child("family").number(name),
        Seeds(seed + 1).number(name),
    ]

    assert len(set(numbers)) == 4


def test_a_stream_is_the_same_everywhere() -> None:
    assert Seeds(7).number("keys") == 16879654405499403699
