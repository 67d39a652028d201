"""What training shows of itself, on standard error alone."""

import pytest

from embrec.training.display import Display

RECORD = {"epoch": 2, "loss": 1.23456, "events_per_second": 12345.6, "seconds": 4.56}


def show(verbose, record=RECORD):
    display = Display(verbose, max_epochs=3, n_steps=4)
    display.start_epoch(1, 0)
    display.step()
    display.end_epoch(record)
    display.start_epoch(2, 0)
    display.close()


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_how_much_is_shown(verbose, capsys):
    show(verbose, RECORD | {"valid_hit_rate": 0.5, "valid_mrr": 0.1})
    out, err = capsys.readouterr()
    assert out == ""
    if verbose == 0:
        assert err == ""
        return
    assert "epoch 2/3" in err
    assert "4/12" in err
    assert "loss=1.235, events/s=12,346, valid hit rate@50=0.500" in err
    lines = [line for line in err.splitlines() if line.startswith("epoch 2  loss ")]
    line = "epoch 2  loss 1.235  events/s 12,346  valid hit rate@50 0.500  4.6 s"
    assert lines == [line] * (verbose == 2)


def test_without_validation_there_is_no_hit_rate(capsys):
    show(2)
    err = capsys.readouterr().err
    assert "epoch 2  loss 1.235  events/s 12,346  4.6 s" in err
    assert "hit rate" not in err


def test_a_run_that_goes_on_is_shown_from_where_it_stopped(capsys):
    display = Display(1, max_epochs=3, n_steps=4)
    display.start_epoch(2, 3)
    display.step()
    display.start_epoch(3, 0)  # it stands there already
    display.step()
    display.close()
    last = capsys.readouterr().err.rstrip().rsplit("\r", 1)[-1]
    assert "epoch 3/3" in last
    assert "9/12" in last
