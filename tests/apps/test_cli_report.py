from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from clearvision.apps.cli import main
sys.exit(main(["report", sys.argv[1]]))
"""


def test_a_report_is_written_again(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,val/psnr_y\n5,27.5\n")
    ran = run("report", tmp_path)
    assert ran.code == 0, ran.err
    assert ran.out == f"{tmp_path / 'report.html'}\n"
    assert "27.50 dB" in (tmp_path / "report.html").read_text()
    assert run("report", tmp_path, "--json").json == {"report": str(tmp_path / "report.html")}


def test_it_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,val/psnr_y\n5,27.5\n")
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "report.html").is_file()


def test_a_folder_without_a_run_is_told_in_one_line(run: Callable, tmp_path: Path) -> None:
    ran = run("report", tmp_path)
    assert ran.code == 1
    assert (
        ran.err
        == f"clearvision: '{tmp_path}' holds no run: there is no log.csv; give the folder that 'clearvision train' wrote\n"
    )
