"""Every road to a fit gives the plain reference's result, in all fields; see `tests.table`."""

import subprocess
import sys

import pytest

from tests import table

pytestmark = pytest.mark.core


@pytest.mark.parametrize("road", table.ROADS)
def test_a_road_agrees_with_the_reference(road):
    found = {case: table.faults(road, case) for case in table.FITTED[road]}
    assert not {case: wrong for case, wrong in found.items() if wrong}


ON_DEVICES = """
import jax, sys
count = int(sys.argv[1])
jax.config.update("jax_num_cpu_devices", count)
from tests import table
assert len(jax.devices()) == count
print(table.on_devices(count))
"""


@pytest.mark.parametrize("count", table.ON_DEVICES)
def test_several_devices_give_the_same_bits(count):
    command = [sys.executable, "-c", ON_DEVICES, str(count)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert there.count(": [] ") == len(table.ON_DEVICES[count])
    assert there.strip() == table.on_devices(count)
