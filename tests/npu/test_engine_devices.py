"""What the engine tells of devices: to its process, and of its process."""

from __future__ import annotations

import pytest

from amanuensis.npu.window import DeviceWork
from tests.helpers.engine_desk import FALL, WORK, Desk, Starter, expected, job, kill, submit, until


async def test_process_is_told_of_streams_and_voices(start: Starter, desk: Desk) -> None:
    """The process hears how many streams are open and that somebody speaks, and a new process hears it again."""
    engine = await start()
    stream = engine.open_stream()
    await until(lambda: desk.told()[-1:] == ["1"])
    engine.wake()
    await until(lambda: desk.told()[-1:] == ["1!"])
    kill(engine)
    await until(lambda: engine.stats().restarts == 1)
    await until(lambda: desk.told().count("1") == 2)
    engine.close_stream(stream)
    await until(lambda: desk.told()[-1:] == ["0"])


async def test_next_process_resumes_on_the_same_devices(start: Starter, desk: Desk) -> None:
    """After a crash the process is told to take the devices of the first one, even if they cannot be opened at once."""
    engine = await start("resuming")
    kill(engine)
    await until(lambda: engine.stats().restarts == 1 and engine.pid is not None)
    assert (await submit(engine, job(1))).tokens == expected(1)
    assert (desk.folder / "resuming").read_text().split() == ["auto:None:None:False", "auto:cpu:cpu:True"]
    assert engine.info.why == "chosen at first"


async def test_work_of_the_device_is_added_up(start: Starter, caplog: pytest.LogCaptureFixture) -> None:
    """Dispatches and bytes are summed by device, and a device that is out of use is told in the log, once each way."""
    engine = await start()
    stream = engine.open_stream()
    for draft in (WORK, FALL, FALL, WORK):
        await submit(engine, job(1, draft), stream=stream)
    stats = engine.stats()
    assert stats.work == {"sim": DeviceWork(6, 6000, 600, 1000.0, "modelled")}
    assert (stats.encodes, stats.decodes) == ({"sim": 2, "cpu": 2}, {"sim": 2, "cpu": 2})
    assert (stats.fallbacks, stats.fallback) == ({"timeout": 2}, "")
    assert 0 < stats.device_share < 1
    told = [record.message for record in caplog.records if record.name == "amanuensis.npu.engine.tally"]
    assert told == ["the CPU takes the device's place: it hung", "the device is back in use"]


async def test_device_that_is_out_of_use_is_told(start: Starter) -> None:
    """While the CPU takes the device's place the statistics say why."""
    engine = await start()
    await submit(engine, job(1, FALL))
    assert engine.stats().fallback == "it hung"
