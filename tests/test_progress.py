import io
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from shoal.progress import NotebookProgress, Progress, RichProgress, Silent


def plain():
    console = Console(file=io.StringIO(), width=100)
    return console, RichProgress(console)


def terminal():
    console = Console(
        file=io.StringIO(), width=100, force_terminal=True, legacy_windows=False, _environ={}
    )
    return console, RichProgress(console)


def written(console):
    """What a person sees, without the codes for colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def work(progress: Progress) -> None:
    progress.stage("index", 3, "files")
    for _ in range(3):
        progress.advance()
    progress.note("1 image could not be read [see index]")
    progress.stage("features", 70_000)
    progress.advance(70_000)
    progress.finish()


def test_silent_says_nothing(capfd):
    work(Silent())
    assert capfd.readouterr() == ("", "")


def test_one_line_a_stage_where_there_is_no_terminal():
    console, progress = plain()
    work(progress)
    lines = written(console).splitlines()
    assert len(lines) == 3
    assert lines[0] == "1 image could not be read [see index]"
    assert re.fullmatch(r"index: 3 files in \d+\.\d s(, [\d.]+[kMG]? files/s)?", lines[1])
    assert re.fullmatch(r"features: 70,000 rows in \d+\.\d s(, [\d.]+[kMG]? rows/s)?", lines[2])


def test_bars_on_a_terminal():
    console, progress = terminal()
    work(progress)
    seen = written(console)
    assert "index" in seen
    assert "3 files" in seen
    assert "70,000 rows" in seen
    assert "━" in seen
    assert "[see index]" in seen


def test_an_unknown_total():
    for console, progress in (plain(), terminal()):
        progress.stage("index", None, "files")
        progress.advance(1234)
        progress.finish()
        assert "1,234 files" in written(console)


def test_a_stage_that_counted_nothing_says_no_number():
    for console, progress in (plain(), terminal()):
        for total in (None, 70):
            progress.stage("export", total)
            progress.finish()
        last = written(console).splitlines()[-1]
        assert "export" in last
        assert "rows" not in last


def test_a_name_is_no_markup():
    console, progress = terminal()
    progress.stage("[red]index", 1)
    progress.finish()
    assert "[red]index" in written(console)


def test_threads_lose_no_count():
    console, progress = plain()
    progress.stage("features", 8000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: [progress.advance() for _ in range(1000)], range(8)))
    progress.finish()
    assert "features: 8,000 rows" in written(console)


def test_nothing_under_way_is_no_error():
    console, progress = plain()
    progress.advance()
    progress.finish()
    progress.finish()
    assert written(console) == ""


@pytest.mark.parametrize("make", [plain, terminal])
def test_an_error_ends_the_bars_without_a_line_of_success(make):
    console, progress = make()

    def fail():
        with progress:
            progress.stage("features", 10)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert " in " not in written(console)
    assert not progress._bars.live.is_started


def test_it_goes_to_the_error_stream():
    code = "from shoal.progress import RichProgress as R\nwith R() as p:\n    p.stage('index', 1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert re.fullmatch(r"index: \d+\.\d s\n", done.stderr)


def test_a_notebook_gets_a_bar_in_its_cell():
    shown = []
    bar = NotebookProgress(shown.append)
    bar.note("300 rows <here>")
    bar.stage("features", 300)
    bar.advance(100)
    bar._next = 0.0
    bar.advance(50)
    assert shown[-1] == (
        '300 rows &lt;here&gt;<br><progress value="150" max="300"></progress> '
        "features: 150 of 300 rows"
    )
    count = len(shown)
    for _ in range(100):
        bar.advance()
    assert len(shown) < count + 50
    bar.stage("tree", None)
    assert shown[-1].endswith("<progress></progress> tree")
    bar.finish()
    assert "<progress" not in shown[-1]
    assert "Done in" in shown[-1]
