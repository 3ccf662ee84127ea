import os
import re
import signal
import subprocess
import sys
import urllib.request


def test_the_demo_runs_by_itself(shoal, tmp_path):
    result = shoal("demo", "--no-open", "--to", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("Against the truth") == 2
    assert "accuracy 0.9" in result.stdout
    for name in ("digits", "tiles"):
        report = tmp_path / f"{name}-report.html"
        assert str(report) in result.stdout
        assert report.stat().st_size > 10_000
    again = shoal("demo", "--no-open", "--to", tmp_path)
    assert "Nothing to do" in again.stderr


def test_the_demo_ends_with_the_explorer_open_until_it_is_stopped(tmp_path):
    words = [sys.executable, "-m", "shoal", "demo", "--to", str(tmp_path)]
    environment = {**os.environ, "BROWSER": "/bin/true", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"is at (http://127\.0\.0\.1:\d+/)", line):
                break
        with urllib.request.urlopen(f"{found[1]}api/run", timeout=60) as answer:
            assert b"1,797 grey images" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "shoal explore" in "".join(lines)
