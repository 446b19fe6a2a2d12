"""Every explorable of the built book, moved as readers move it: by keyboard on every page, by mouse, by touch."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.visiting import LAPTOP, PHONE, ROOT, Visit, open_page, watch

EXPLORABLE = "figure.bfs-explorable"
STATE = """root => {
    const images = [...root.querySelectorAll(".bfs-layers img")], panels = root.querySelector(".bfs-panels");
    return Promise.all(images.map(image => image.decode())).then(() => ({
        pictures: images.map(image => image.src),
        text: root.querySelector(".bfs-text").textContent,
        alt: images.length === 1 ? images[0].alt : panels.getAttribute("aria-label"),
        live: root.querySelector("[aria-live=polite] .bfs-heard").textContent,
        said: [...root.querySelectorAll("output")].map(output => output.textContent),
        heard: [...root.querySelectorAll("input[type=range]")].map(input => input.getAttribute("aria-valuetext")),
        chosen: [...root.querySelectorAll("input:checked")].map(input => input.parentElement.textContent),
    }));
}"""
SMALL_TARGETS = """all => all.map(input => {
    const box = (input.type === "range" ? input : input.parentElement).getBoundingClientRect();
    return Math.min(box.width, box.height);
}).filter(size => size < 24)"""


def state(root: Locator) -> dict:
    """Return what an explorable shows and says; fails when a picture cannot be decoded."""
    return root.evaluate(STATE)


def stuck(root: Locator, control: Locator, page: Page) -> set[str]:
    """Walk a control by keyboard from its first value to its last; return what did not follow it."""
    slider = control.locator("input[type=range]").count() == 1
    control.locator("input" if slider else "input:checked").focus()
    page.keyboard.press("Home")
    shots = [state(root)]
    last = int(control.locator("input").get_attribute("max")) if slider else control.locator("input").count() - 1
    for _ in range(last):
        page.keyboard.press("ArrowRight" if slider else "ArrowDown")
        shots.append(state(root))
    problems = set()
    words = "said" if slider else "chosen"
    if len({str(shot[words]) for shot in shots}) != last + 1:
        problems.add(f"{words}: not another one for each of {last + 1} values")
    if any(shot["said"] != shot["heard"] for shot in shots):
        problems.add("aria-valuetext is not what is shown")
    if any(shot["alt"] != shot["live"] for shot in shots[1:]):
        problems.add("a change is not spoken")
    if len({str([shot["pictures"], shot["text"]]) for shot in shots}) == 1:
        problems.add("neither the picture nor the line below changes")
    name = control.locator("label > span, [aria-hidden]").first.text_content()
    return {f"{name}: {problem}" for problem in problems}


def test_every_control_moves_its_picture_and_its_words_by_keyboard(visit: Visit) -> None:
    page = visit.page
    explorables = page.locator(EXPLORABLE).all()
    notebook = ROOT / f"{visit.name}.ipynb"
    stored = notebook.read_text("utf-8").count('bfs-explorable\\" id=') if notebook.exists() else 0
    assert len(explorables) == stored, "the page has not as many explorables as its notebook"
    problems = {}
    for number, root in enumerate(explorables):
        controls = root.locator(".bfs-control").all()
        assert controls
        start = state(root)["pictures"]
        # a weight of 0 switches the choice of its loss off: so twice, the second time with all others at their ends
        first, second = (set().union(*(stuck(root, control, page) for control in controls)) for _ in range(2))
        if first & second:
            problems[number] = sorted(first & second)
        assert state(root)["pictures"] != start
    assert problems == {}
    assert visit.errors == []


def test_a_finger_finds_every_control(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    small = visit.page.eval_on_selector_all(f"{EXPLORABLE} input", SMALL_TARGETS)
    wide = visit.page.eval_on_selector_all(EXPLORABLE, "all => all.map(f => f.scrollWidth - f.clientWidth)")
    visit.page.set_viewport_size(LAPTOP)
    assert small == []
    assert max(wide, default=0) == 0


@pytest.mark.parametrize("pointer", ["mouse", "touch"])
def test_a_pointer_moves_slider_and_choice(browser: Browser, home: str, pointer: str) -> None:
    touch = pointer == "touch"
    with browser.new_context(viewport=PHONE if touch else LAPTOP, has_touch=touch, is_mobile=touch) as context:
        page = open_page(watch(context, home), f"{home}/book/centre_maps.html").page
        root = page.locator(EXPLORABLE).first
        slider, other = root.get_by_role("slider").first, root.locator("input[type=radio]:not(:checked)").first
        slider.scroll_into_view_if_needed()
        before, box = state(root), slider.bounding_box()
        middle, right = box["y"] + box["height"] / 2, box["x"] + box["width"] - 8
        if touch:
            page.touchscreen.tap(right, middle)
        else:
            page.mouse.move(box["x"] + 8, middle)
            page.mouse.down()
            page.mouse.move(right, middle, steps=4)
            page.mouse.up()
        moved = state(root)
        assert (moved["said"], moved["pictures"]) != (before["said"], before["pictures"])
        assert moved["said"][0] != before["said"][0] and moved["pictures"] != before["pictures"]
        label = other.locator("xpath=..")
        label.tap() if touch else label.click()
        chosen = state(root)
        assert chosen["chosen"] != moved["chosen"] and chosen["pictures"] != moved["pictures"]
