import subprocess
import sys

from spine_tf.support.progress import is_quiet, progress_bar, quieted, say


def test_a_quiet_process_tells_no_progress(capsys):
    with quieted():
        say("halfway")
        assert list(progress_bar(range(3))) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_otherwise_it_does(capsys):
    say("halfway")
    assert list(progress_bar(range(3), desc="counting")) == [0, 1, 2]
    told = capsys.readouterr()
    assert told.out == "halfway\n"
    assert "counting" in told.err
    assert "3/3" in told.err


def test_quiet_lasts_as_long_as_the_block_and_nests():
    assert not is_quiet()
    with quieted():
        with quieted(), quieted(False):
            assert is_quiet()
        assert is_quiet()
    assert not is_quiet()


def test_processes_that_are_started_inside_are_quiet():
    code = "from spine_tf.support.progress import is_quiet; print(is_quiet())"
    with quieted():
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True\n"
