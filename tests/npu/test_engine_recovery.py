"""What is started after a crash, when, and where: pure, on a clock of the test's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.engine.recovery import STEADY_WINDOWS, Recovery
from amanuensis.npu.engine.supervision import Supervision

RULES = Supervision(
    backoff_s=0.1, max_backoff_s=30.0, steady_s=60.0, device_crashes=3, device_retry_s=30.0, max_device_retry_s=1800.0
)


def crash(
    recovery: Recovery, times: int = 1, now_s: float = 0.0, *, served_s: float = 0.0, at_window: bool = False
) -> None:
    """Let the process die so often."""
    for _ in range(times):
        recovery.crashed("killed by SIGKILL", now_s, served_s=served_s, at_window=at_window)


def test_waits_double_up_to_a_bound_and_for_ever() -> None:
    """The first restart comes at once, the next ones after waits that about double and stay bounded."""
    recovery, waits_s = Recovery(RULES, "cpu"), []
    for _ in range(2000):
        crash(recovery)
        waits_s.append(recovery.wait_s())
    assert [round(wait_s, 3) for wait_s in waits_s[:5]] == [0.0, 0.1, 0.3, 0.7, 1.5]
    assert waits_s[-1] == 30.0
    assert waits_s == sorted(waits_s)


def test_an_answer_ends_the_row() -> None:
    """After an answer the next crash is the first one again."""
    recovery = Recovery(RULES, "cpu")
    crash(recovery, 5)
    recovery.answered()
    crash(recovery)
    assert recovery.wait_s() == 0.0


def test_a_process_that_served_long_ends_the_row() -> None:
    """A crash after a minute of service is the first of its row, even when nobody spoke."""
    recovery = Recovery(RULES, "cpu")
    crash(recovery, 5)
    crash(recovery, served_s=60.0)
    assert recovery.wait_s() == 0.0


def test_the_cpu_is_not_replaced() -> None:
    """An engine that was configured for the CPU only waits longer."""
    recovery = Recovery(RULES, "cpu")
    crash(recovery, 50, at_window=True)
    assert (recovery.on_cpu, recovery.why, recovery.can_fall_back) == (False, "", False)


def test_a_device_that_kills_is_replaced() -> None:
    """After three deaths without steady work between them the CPU takes over, and it says why."""
    recovery = Recovery(RULES, "npu")
    crash(recovery, 2)
    for _ in range(STEADY_WINDOWS - 1):
        recovery.answered()
    assert not recovery.on_cpu
    crash(recovery)
    assert recovery.on_cpu
    assert recovery.why == "the engine died 3 times on npu; last: killed by SIGKILL"


def test_steady_work_clears_a_device() -> None:
    """Deaths before a run of good windows are not counted with later ones."""
    recovery = Recovery(RULES, "npu")
    crash(recovery, 2)
    for _ in range(STEADY_WINDOWS):
        recovery.answered()
    crash(recovery, 2)
    assert not recovery.on_cpu


def test_a_window_that_would_be_given_up_calls_for_the_cpu() -> None:
    """When a window has killed a device too often, the CPU is tried before it is given up."""
    recovery = Recovery(RULES, "sim")
    assert recovery.can_fall_back
    crash(recovery, at_window=True)
    assert recovery.on_cpu
    assert not recovery.can_fall_back


def test_a_device_is_tried_again_ever_less_often() -> None:
    """The waits for the device double up to a bound, whether it does not load or dies at once when it is back."""
    recovery, now_s, waits_s = Recovery(RULES, "npu"), 1000.0, []
    crash(recovery, 3, now_s)
    for k in range(10):
        waits_s.append(recovery.retry_in_s(now_s))
        now_s += waits_s[-1]
        assert recovery.retry_in_s(now_s) == 0.0
        if k % 2:
            recovery.came_back()
            assert (recovery.on_cpu, recovery.why) == (False, "")
            crash(recovery, 1, now_s)
            assert recovery.on_cpu
        else:
            recovery.retry_failed("no device", now_s)
            assert recovery.why == "npu does not come back: no device"
    assert waits_s == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]


def test_a_device_that_works_again_is_trusted_again() -> None:
    """After steady work it takes three deaths again, and the first wait is short again."""
    recovery = Recovery(RULES, "npu")
    crash(recovery, 3)
    recovery.retry_failed("no device", 30.0)
    recovery.came_back()
    for _ in range(STEADY_WINDOWS):
        recovery.answered()
    crash(recovery, 2, 500.0)
    assert not recovery.on_cpu
    crash(recovery, 1, 500.0)
    assert recovery.retry_in_s(500.0) == 30.0


@given(st.lists(st.sampled_from(["crash", "window", "answer", "retry", "back"]), max_size=300))
def test_never_without_a_next_step(steps: list[str]) -> None:
    """Whatever happens, the next start is a bounded wait away, and a replaced device has a time of its next trial."""
    recovery, now_s = Recovery(RULES, "npu"), 0.0
    for step in steps:
        match step:
            case "crash" | "window":
                crash(recovery, now_s=now_s, at_window=step == "window")
            case "answer":
                recovery.answered()
            case "retry" if recovery.on_cpu:
                now_s += recovery.retry_in_s(now_s)
                recovery.retry_failed("gone", now_s)
            case "back" if recovery.on_cpu:
                recovery.came_back()
        assert 0 <= recovery.wait_s() <= RULES.max_backoff_s
        assert 0 <= recovery.retry_in_s(now_s) <= RULES.max_device_retry_s
        assert bool(recovery.why) == recovery.on_cpu
