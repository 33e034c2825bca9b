"""Which host a stream goes to: pure, with any hosts and any order of what happens."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.cluster.placement import HostView, Placement

CAPACITIES = st.floats(0.0, 40.0)
VIEWS = st.builds(
    HostView,
    capacity=CAPACITIES,
    usable=st.booleans(),
    drained=st.booleans(),
    others=st.integers(0, 20),
    latency_s=st.floats(0.0, 2.0),
    silent=st.booleans(),
)
HOSTS = st.dictionaries(st.sampled_from("abcdef"), VIEWS, max_size=6)


def placed(placement: Placement, number: int) -> list[str | None]:
    """Open streams and return where each goes."""
    places = []
    for stream in range(1, number + 1):
        placement.opened(stream)
        places.append(placement.place(stream))
    return places


@given(st.lists(HOSTS, min_size=1, max_size=6), st.integers(1, 30))
def test_windows_go_only_where_they_are_taken(steps: list[dict[str, HostView]], streams: int) -> None:
    """Whatever comes and goes: never to a host that is down, drained or gone, and to some host while one takes them."""
    placement = Placement(100)
    placed(placement, streams)
    for hosts in steps:
        placement.see(hosts)
        takers = {name for name, host in hosts.items() if host.takes}
        for stream in range(1, streams + 1):
            place = placement.place(stream)
            assert place in takers if takers else place is None
        assert sum(placement.streams().values()) == (streams if takers else 0)


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(1.0, 40.0), min_size=1), st.integers(1, 60))
def test_a_stream_stays_where_it_is(capacities: dict[str, float], streams: int) -> None:
    """While no host changes no stream moves, if all fit; and a host that comes takes none away from one with room."""
    placement, hosts = Placement(100), {name: HostView(capacity) for name, capacity in capacities.items()}
    placement.see(hosts)
    places = placed(placement, min(streams, int(sum(map(int, capacities.values())))))
    assert places == [placement.place(stream) for stream in range(1, len(places) + 1)]
    placement.see(hosts | {"new": HostView(100.0)})
    assert places == [placement.place(stream) for stream in range(1, len(places) + 1)]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 20), min_size=1))
def test_streams_that_are_admitted_fit(capacities: dict[str, int]) -> None:
    """As many are admitted as the hosts carry together, and none of these gets more than it carries."""
    placement = Placement(1000)
    placement.see({name: HostView(float(capacity)) for name, capacity in capacities.items()})
    stream = 0
    while not placement.refusal():
        stream += 1
        placement.opened(stream)
        placement.place(stream)
    assert stream == sum(capacities.values())
    assert placement.streams() == capacities


@given(HOSTS, st.integers(0, 40))
def test_admission_counts_what_is_open(hosts: dict[str, HostView], streams: int) -> None:
    """A refusal comes exactly where one more would be over what the hosts carry, or the front has its most."""
    placement = Placement(30)
    placement.see(hosts)
    for stream in range(streams):
        placement.opened(stream)
    takers = [host for host in hosts.values() if host.takes]
    full = takers and streams + sum(host.others for host in takers) + 1 > max(1.0, sum(h.capacity for h in takers))
    assert bool(placement.refusal()) == bool(streams >= 30 or full)


def test_the_refusal_has_the_numbers() -> None:
    """What is carried, by how many hosts, how much of it is used and by whom."""
    placement = Placement(100)
    placement.see({"a": HostView(2.5, others=2), "b": HostView(1.0), "c": HostView(9.0, drained=True)})
    placement.opened(1)
    told = "the cluster carries 3.5 streams on 2 hosts; 3, 2 of them of other daemons, are open"
    assert placement.refusal() == told
    placement.closed(1)
    assert placement.refusal() == ""


def test_larger_hosts_get_more_and_far_ones_less() -> None:
    """Streams spread by capacity; between equals the one with the quicker way is taken."""
    placement = Placement(100)
    placement.see({"large": HostView(30.0), "small": HostView(10.0)})
    placed(placement, 20)
    assert placement.streams() == {"large": 15, "small": 5}
    placement = Placement(100)
    placement.see({"far": HostView(10.0, latency_s=0.2), "near": HostView(10.0, latency_s=0.001)})
    assert placed(placement, 4) == ["near"] * 4


def test_a_drained_host_is_left_and_an_overloaded_one_is_relieved() -> None:
    """Draining moves all streams; a host that carries less than it did keeps what it carries, if others have room."""
    placement, hosts = Placement(100), {"a": HostView(10.0), "b": HostView(10.0)}
    placement.see(hosts)
    placed(placement, 8)
    assert placement.streams() == {"a": 4, "b": 4}
    placement.see(hosts | {"a": replace(hosts["a"], capacity=2.0)})
    assert [placement.place(stream) for stream in range(1, 9)].count("a") == 2
    placement.see(hosts | {"b": replace(hosts["b"], drained=True)})
    assert {placement.place(stream) for stream in range(1, 9)} == {"a"}


def test_a_front_counts_a_closed_stream_no_more() -> None:
    """Its place is free for the next one."""
    placement = Placement(1)
    placement.see({"a": HostView(5.0)})
    placed(placement, 1)
    assert placement.refusal() == "all 1 streams of this daemon are in use"
    placement.closed(1)
    placement.closed(1)
    assert (placement.refusal(), placement.is_open(1), placement.streams()) == ("", False, {})


def test_a_stream_without_a_place_goes_to_no_host_that_may_be_dying() -> None:
    """Several machines die at once: a window of one of them does not try the others; who is there stays until then."""
    placement, hosts = Placement(100), {name: HostView(10.0) for name in "abc"}
    placement.see(hosts)
    (here,) = placed(placement, 1)
    assert here == "a"
    placement.see({"a": replace(hosts["a"], silent=True), "b": replace(hosts["b"], silent=True), "c": hosts["c"]})
    assert placement.place(1) == "a"
    placement.see({"a": HostView(10.0, usable=False), "b": replace(hosts["b"], silent=True), "c": hosts["c"]})
    assert placement.place(1) == "c"
    placement.see({"b": replace(hosts["b"], silent=True)})
    assert placement.place(1) == "b"
