"""The acknowledgement log."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings, strategies as st

from tempest.cli.demo.acks import RECORD, Acks, AckWriter, Mark

marks = st.lists(
    st.tuples(st.sampled_from(Mark), st.integers(0, 3), st.integers(0, (1 << 64) - 1))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=marks, cuts=st.lists(st.integers(0, 400)))
def test_reading_in_pieces_is_reading_at_once(
    tmp_path: Path, marks: list[tuple[Mark, int, int]], cuts: list[int]
) -> None:
    whole = b"".join(RECORD.pack(*mark) for mark in marks)
    path = tmp_path / "acks"
    path.write_bytes(b"")
    pieces, once = Acks(path), Acks(path)

    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        pieces.read_more()
    path.write_bytes(whole)
    pieces.read_more()
    once.read_more()

    assert pieces == once


def test_a_file_is_allowed_what_was_acknowledged_last_or_begun_since(
    tmp_path: Path,
) -> None:
    path = tmp_path / "acks"
    writer, acks = AckWriter(path), Acks(path)

    def allowed_after(mark: Mark, digest: int) -> set[int]:
        writer.write(mark, 5, digest)
        acks.read_more()
        return acks.allowed(5)

    assert acks.allowed(5) == set()
    assert allowed_after(Mark.BEGUN, 1) == {1}
    assert allowed_after(Mark.BEGUN, 2) == {1, 2}
    assert allowed_after(Mark.DONE, 2) == {2}
    assert allowed_after(Mark.BEGUN, 3) == {2, 3}
    assert acks.allowed(6) == set()
    writer.close()
