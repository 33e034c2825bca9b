"""What fronts tell each other: it may be lost and comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.cluster.registry import MAX_FRONTS, Registry, merged

DRAINS = st.dictionaries(st.sampled_from("abc"), st.tuples(st.booleans(), st.floats(0, 10)))


@given(DRAINS, DRAINS, DRAINS)
def test_the_newest_word_counts(
    first: dict[str, tuple[bool, float]], second: dict[str, tuple[bool, float]], third: dict[str, tuple[bool, float]]
) -> None:
    """Whoever says it in whatever order: of each node the time of the newest word is the same."""
    one = merged(merged(first, second), third)
    other = merged(third, merged(second, first))
    assert {node: at_s for node, (_, at_s) in one.items()} == {node: at_s for node, (_, at_s) in other.items()}
    for node, said in one.items():
        assert said in [told[node] for told in (first, second, third) if node in told]


async def test_a_registry_that_was_lost_learns_again() -> None:
    """Fronts tell what they know of drained nodes; who leaves is forgotten."""
    old, new = Registry(), Registry()
    drains = await old.drain("n1", True, 5.0)
    assert await new.report("front", {"sessions": 3}, drains) == {"n1": (True, 5.0)}
    told = await new.look()
    assert told["drains"] == {"n1": (True, 5.0)}
    assert told["fronts"]["front"]["sessions"] == 3
    await new.leave("front")
    assert (await new.look())["fronts"] == {}


async def test_fronts_are_bounded() -> None:
    """More than so many are not kept, and told all the same what is drained."""
    registry = Registry()
    for number in range(MAX_FRONTS + 5):
        await registry.report(str(number), {}, {})
    assert len((await registry.look())["fronts"]) == MAX_FRONTS
    assert await registry.report("late", {}, {"n": (True, 1.0)}) == {"n": (True, 1.0)}
