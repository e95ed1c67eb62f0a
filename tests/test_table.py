"""Every road to a fit gives the plain reference's result, in all fields; see `tests.table`."""

import pytest

from tests import table

pytestmark = pytest.mark.core


@pytest.mark.parametrize("road", table.ROADS)
def test_a_road_agrees_with_the_reference(road):
    found = {case: table.faults(road, case) for case in table.FITTED[road]}
    assert not {case: wrong for case, wrong in found.items() if wrong}
