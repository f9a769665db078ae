"""What the garbage collector is kept away from."""

import gc

import pytest

from alignapp import garbage


def test_meanwhile_collections_leave_what_was_there_before():
    with garbage.only_new():
        assert gc.get_freeze_count() > 0


def test_afterwards_they_look_at_everything_again():
    with pytest.raises(ValueError, match="broken"), garbage.only_new():
        raise ValueError("broken")
    assert gc.get_freeze_count() == 0


def test_a_process_that_serves_leaves_what_it_has_loaded():
    try:
        garbage.leave_what_is_there()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
