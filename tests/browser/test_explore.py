"""Explorables in headless Chromium: by keyboard and by mouse, in the dark, on a phone, several on a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from bfs_tutorial import explore


def grey(level: int, side: str) -> tuple[np.ndarray, str]:
    picture = np.zeros((10, 10), np.uint8)
    picture[:, :5] = level if side == "left" else 0
    picture[:, 5:] = level if side == "right" else 0
    return picture, f"level {level} on the {side}"


def product(level: int) -> explore.Frame:
    layers = {"a": np.full((4, 4), 128, np.uint8), "b": np.full((4, 4), level, np.uint8)}
    return explore.Frame(
        [explore.Panel(layers, "product", 80, multiply=True), explore.Panel({"b": layers["b"]}, "b", 80)]
    )


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Two copies of one explorable and another one, on a page that is not styled and lies on the disk."""
    first = explore.explorable(
        grey, {"level": [0, 50, 100, 200], "side": ["left", "right"]}, units={"level": "%"}, start={"level": 50},
        alt=lambda level, side: f"A square with level {level} on its {side} half", caption="Grey.",
    )  # fmt: skip
    second = explore.explorable(product, {"level": [0, 64, 255]}, alt=lambda level: f"Two squares of level {level}")
    path: Path = tmp_path_factory.mktemp("explore") / "page.html"
    body = first.html + first.html + second.html
    path.write_text(f'<!doctype html><meta charset="utf-8"><body style="background:#111;color:#eee">{body}', "utf-8")
    with browser.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark") as context:
        page = context.new_page()
        page.problems = []
        page.on("request", lambda r: page.problems.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        yield page


def state(page: Page, number: int = 0) -> dict:
    """What explorable `number` shows: label, spoken value, picture, alt text, text."""
    return (
        page.locator("figure.bfs-explorable")
        .nth(number)
        .evaluate(
            """f => ({said: f.querySelector("output")?.textContent,
            heard: f.querySelector("input[type=range]").getAttribute("aria-valuetext"),
            source: f.querySelector("img").src, alt: f.querySelector("img").alt,
            live: f.querySelector("[aria-live=polite] .bfs-heard").textContent,
            text: f.querySelector(".bfs-text").textContent,
            width: f.querySelector("img").naturalWidth})"""
        )
    )


def test_the_script_enables_the_controls_and_says_nothing_on_its_own(page: Page) -> None:
    assert page.problems == []
    assert page.locator("figure.bfs-explorable input:disabled").count() == 0
    assert page.locator(".bfs-hint").count() == 0
    assert state(page)["said"] == state(page)["heard"] == "50 %"
    assert state(page)["live"] == ""


def test_arrow_keys_home_and_end_move_picture_label_and_alt_text(page: Page) -> None:
    slider = page.locator("figure.bfs-explorable").first.get_by_role("slider")
    slider.focus()
    seen = [state(page)]
    for key, level in (("ArrowRight", 100), ("End", 200), ("ArrowRight", 200), ("ArrowDown", 100), ("Home", 0)):
        page.keyboard.press(key)
        seen.append(state(page))
        assert seen[-1]["said"] == seen[-1]["heard"] == f"{level} %"
        assert seen[-1]["alt"] == seen[-1]["live"] == f"A square with level {level} on its left half"
        assert seen[-1]["text"] == f"level {level} on the left"
        assert seen[-1]["width"] == 10  # decoded
    assert len({shot["source"] for shot in seen}) == 4
    page.keyboard.press("ArrowRight")


def test_keys_work_where_the_notebook_cancels_them(page: Page) -> None:
    """JupyterLab prevents the native arrow keys of a slider; ours do not need them."""
    page.evaluate("() => window.addEventListener('keydown', event => event.preventDefault(), {capture: true})")
    page.locator("figure.bfs-explorable").nth(1).get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert state(page, 1)["said"] == "100 %"
    page.keyboard.press("ArrowLeft")
    assert state(page, 1)["said"] == "50 %"


def test_a_choice_changes_by_mouse_and_by_keyboard(page: Page) -> None:
    figure = page.locator("figure.bfs-explorable").first
    before = state(page)["source"]
    figure.get_by_label("right").check()
    assert state(page)["source"] != before
    assert "right half" in state(page)["alt"]
    page.keyboard.press("ArrowUp")
    assert figure.get_by_label("left", exact=True).is_checked()
    assert state(page)["source"] == before


def test_copies_move_one_at_a_time(page: Page) -> None:
    other = state(page, 1)
    page.locator("figure.bfs-explorable").first.get_by_role("slider").fill("3")
    assert state(page)["said"] == "200 %"
    page.locator("figure.bfs-explorable").first.get_by_label("right").check()
    assert state(page, 1) == other
    assert page.locator("input[type=radio]:checked").count() == 2


def test_layers_are_multiplied_by_the_browser(page: Page) -> None:
    figure = page.locator("figure.bfs-explorable").nth(2)
    figure.get_by_role("slider").focus()
    for key, level in (("Home", 0), ("ArrowRight", 64), ("End", 255)):
        page.keyboard.press(key)
        assert figure.locator(".bfs-panels").get_attribute("aria-label") == f"Two squares of level {level}"
        shot = Image.open(io.BytesIO(figure.locator(".bfs-layers").first.screenshot())).convert("L")
        assert abs(shot.getpixel((40, 40)) - 128 * level / 255) <= 1.5


def test_the_card_is_white_in_the_dark_and_fits_a_phone(page: Page) -> None:
    styles = page.eval_on_selector_all(
        "figure.bfs-explorable", "all => all.map(f => [getComputedStyle(f).backgroundColor, getComputedStyle(f).color])"
    )
    assert styles == [["rgb(255, 255, 255)", "rgb(31, 35, 40)"]] * 3
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.problems == []
