"""What the pages do, without a browser: pictures in, options, results, refusals."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.apps.streamlit_app.making import Failed, Finished
from clearvision.apps.streamlit_app.runs_page import in_theme
from clearvision.imaging.io import read_picture
from clearvision.training.history import read_history
from clearvision.training.page import to_html


def png(height: int = 24, width: int = 32, seed: int = 0) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    y, x = np.mgrid[:height, :width] / max(height, width)
    noise = np.random.default_rng(seed).normal(0, 2, (height, width, 3))
    pixels = np.stack([x, y, (x + y) / 2], axis=2) * 255 + noise
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def give(page: Any, *files: tuple[str, bytes]) -> Any:  # noqa: ANN401
    """Upload files."""
    return page.file_uploader[0].set_value([(name, data, "application/octet-stream") for name, data in files]).run()


def button(page: Any, label: str) -> Any:  # noqa: ANN401
    return next(each for each in page.button if each.label == label)


def choose(page: Any, label: str, value: object) -> Any:  # noqa: ANN401
    """Set the widget of a label."""
    kinds = (
        page.button_group,
        page.selectbox,
        page.checkbox,
        page.slider,
        page.select_slider,
        page.number_input,
        page.multiselect,
    )
    return next(each for kind in kinds for each in kind if each.label == label).set_value(value).run()


def wait(page: Any, place: str = "enlarge") -> Any:  # noqa: ANN401
    """Wait until the work of a page has ended, and show that."""
    page.session_state["session"].work(place).wait(60)
    page.run()
    assert not page.exception
    return page


def make(page: Any, label: str = "Enlarge") -> list[Any]:  # noqa: ANN401
    """Press the button, wait, and return what was made."""
    button(page, label).click().run()
    return wait(page).session_state["session"].work("enlarge").result


def test_first_page_asks_for_a_picture_and_offers_samples(app: Callable[[str], Any]) -> None:
    page = app("enlarge")
    assert not page.exception
    assert [each.label for each in page.file_uploader] == ["Drop pictures here"]
    assert [each.label for each in page.button] == ["Photograph", "Drawing"]


def test_sample_is_enlarged_and_told(app: Callable[[str], Any]) -> None:
    page = app("enlarge")
    button(page, "Photograph").click().run()
    (made,) = make(page)
    assert (made.name, made.after.width, made.after.height) == ("coffee_x4.jpg", 960, 640)
    assert any("chose clean-x4" in each.value for each in page.markdown)
    assert "clearvision upscale coffee.jpg --scale 4" in page.code[0].value
    assert [each.label for each in page.get("download_button")] == [f"Download JPEG, {made.path.stat().st_size / 1e6:.1f} MB"]


def test_upload_is_kept_on_disk_and_freed_from_memory(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("my photo.png", png()))
    assert not page.exception
    assert not page.file_uploader[0].value
    (given,) = page.session_state["given"]
    assert (given.name, given.width, given.height) == ("my_photo.png", 32, 24)
    assert any("my_photo.png" in each.value for each in page.markdown)
    assert any("Found in the picture" in each.value for each in page.caption)


def test_options_reach_the_result(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png()))
    choose(page, "Size", "Other")
    choose(page, "Give", "Width")
    choose(page, "Width, pixels", 70)
    choose(page, "Model", "photo-x4")
    choose(page, "Format", "webp")
    choose(page, "Usual quality", False)
    choose(page, "Quality", 60)
    choose(page, "Keep metadata", False)
    choose(page, "Average eight views", True)
    choose(page, "Faithfulness", "Lock colours")
    (made,) = make(page)
    assert made.name == "a_70w.webp"
    assert made.choices.words() == [
        *("--model", "photo-x4", "--width", "70", "--format", "webp", "--quality", "60"),
        *("--tta", "--strip-metadata", "--lock-colour"),
    ]
    assert read_picture(made.path).width == 70


def test_changed_options_are_said_to_differ_from_the_result(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png()))
    make(page)
    assert not page.info
    choose(page, "Size", "2x")
    assert "made with other options" in page.info[0].value


def test_restoring_keeps_the_size(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png()))
    choose(page, "Task", "Restore, same size")
    (made,) = make(page, "Restore")
    assert (made.name, made.facts.model) == ("a_restored.png", "restore-x1")
    assert read_picture(made.path).pixels.shape == (24, 32, 3)


def test_simulated_damage_is_scored_against_the_original(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png(80, 96)))
    choose(page, "Picture", "Simulate damage")
    choose(page, "Damage", "bicubic")
    (made,) = make(page)
    assert made.scores is not None
    assert [each.label for each in page.metric] == ["PSNR", "SSIM", "Agreement with its input"]
    assert page.metric[0].value == f"{made.scores.psnr:.2f} dB"
    assert page.metric[0].delta.endswith("vs bicubic")
    assert any("protocol y" in each.value for each in page.caption)


def test_own_numbers_need_nothing_but_what_they_do(app: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearvision.apps.streamlit_app.damage.find_spec", lambda name: None)
    page = give(app("enlarge"), ("a.png", png()))
    choose(page, "Picture", "Simulate damage")
    assert "pip install 'clearvision[torch]'" in page.warning[0].value
    assert button(page, "Enlarge").disabled
    choose(page, "Damage", "My own numbers")
    choose(page, "Noise, grey levels", 0)
    choose(page, "Blur, pixels", 0.0)
    assert not page.warning
    assert not button(page, "Enlarge").disabled


def test_batch_tells_what_failed_and_offers_the_rest(app: Callable[[str], Any]) -> None:
    whole = png()
    page = give(app("enlarge"), ("a.png", whole), ("b.png", whole[: len(whole) // 2]), ("notes.txt", b"no picture at all"))
    assert [each.value.partition(";")[0] for each in page.error] == ["notes.txt is not a picture, or one of an unknown format"]
    outcomes = make(page, "Enlarge all 2")
    assert [type(each) for each in outcomes] == [Finished, Failed]
    assert any("1 of 2 pictures made" in each.value for each in page.markdown)
    assert page.table[0].value.iloc[0, 0] == "b.png"
    assert page.table[0].value.iloc[0, 1].startswith("b.png is damaged")
    assert str(page.session_state["session"].folder) not in str(page.table[0].value.to_dict())


def test_truncated_picture_is_told_before_any_work(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("b.png", png()[:300]))
    assert page.error[0].value.startswith("b.png is damaged, cut short or not readable as png")


def test_too_large_a_picture_is_refused(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png(1500, 1500)))
    assert "a.png is 1500x1500, 2 megapixels, and at most 2 are read" in page.error[0].value
    assert page.session_state["given"] == []


def test_too_many_pictures_are_left_in_words(app: Callable[[str], Any]) -> None:
    data = png()
    page = give(app("enlarge"), *((f"{index}.png", data) for index in range(52)))
    assert len(page.session_state["given"]) == 50
    assert page.error[0].value == "At most 50 pictures are taken at once; 2 were left."


def test_starting_over_removes_everything(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png()))
    make(page)
    folder = page.session_state["session"].folder
    button(page, "Start over").click().run()
    assert not page.exception
    assert list(folder.iterdir()) == []
    assert [each.label for each in page.button] == ["Photograph", "Drawing"]


def test_work_can_be_cancelled(app: Callable[[str], Any]) -> None:
    from clearvision.apps.streamlit_app.shared import workshop

    page = give(app("enlarge"), ("a.png", png()))
    shop = workshop()
    with shop.turn:  # as if another visitor's picture were being made
        button(page, "Enlarge").click().run()
        assert "Waiting" in page.get("progress")[0].proto.text
        assert button(page, "Enlarge").disabled
        button(page, "Cancel").click().run()
        wait(page)
    assert page.info[0].value == "Cancelled; nothing was kept."
    assert not button(page, "Enlarge").disabled


def test_trust_map_on_demand(app: Callable[[str], Any]) -> None:
    page = give(app("enlarge"), ("a.png", png()))
    make(page)
    button(page, "Where is detail made up?").click().run()
    wait(page, "trust")
    assert any(each.value.startswith("Black: all views") for each in page.caption)


def test_models_are_compared(app: Callable[[str], Any]) -> None:
    page = app("compare")
    button(page, "Drawing").click().run()
    assert page.multiselect[0].value == ["clean-x4", "photo-x4"]
    button(page, "Compare").click().run()
    wait(page, "compare")
    table = page.dataframe[0].value
    assert list(table["Method"]) == ["bicubic", "clean-x4", "photo-x4"]
    assert (table["Agreement, dB"] > 20).all()


def test_models_page_shows_every_card(app: Callable[[str], Any]) -> None:
    page = app("models")
    assert not page.exception
    assert [each.value for each in page.header] == ["clean-x2", "clean-x4", "photo-x4", "photo-x4-vivid", "restore-x1"]
    assert any("CC0-1.0" in each.value for each in page.caption)


def test_runs_page_lists_what_lies_in_its_folder_and_nothing_else(app: Callable[[str], Any], runs_dir: Path) -> None:
    page = app("runs")
    assert not page.exception
    assert sorted(page.selectbox[0].options) == ["first", "tries/second"]
    choose(page, "Run", runs_dir / "first")
    assert page.get("progress")[0].proto.text == "Running: step 400 of 1,000"
    assert "PSNR-Y" in page.get("iframe")[0].proto.srcdoc


def test_report_is_light_or_dark_as_the_app_is(runs_dir: Path) -> None:
    page = to_html(read_history(runs_dir / "first"), [])
    assert page.count("prefers-color-scheme") == 1
    assert "@media all {" in in_theme(page, "dark")
    assert "@media not all {" in in_theme(page, "light")
    assert in_theme(page, None) == page


def test_run_that_cannot_be_read_is_told(app: Callable[[str], Any], runs_dir: Path) -> None:
    broken = runs_dir / "broken"
    broken.mkdir()
    (broken / "log.csv").write_text("step,val/psnr_y\n1,2\n", encoding="utf-8")
    (broken / "run.json").write_text("{", encoding="utf-8")
    try:
        page = app("runs")
        choose(page, "Run", broken)
        assert page.error[0].value.startswith("This run cannot be shown")
    finally:
        shutil.rmtree(broken)


def test_no_runs_is_said(app: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEARVISION_APP_RUNS", str(tmp_path / "none"))
    page = app("runs")
    assert "There are no runs in the folder 'none'" in page.info[0].value
