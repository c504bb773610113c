"""The studio in a real browser: every screen, by mouse and keyboard; skipped where there is no Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from studios import smoke

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
PATIENCE = 150_000  # milliseconds


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    smoke("gan", root / "first")
    smoke("rbm", root / "chains")
    smoke("vae", root / "codes")
    command = [sys.executable, "-m", "counterfeit", "studio", str(root), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        told = server.stdout.readline()
        yield re.search(r"http://\S+", told)[0]
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        except Error as error:
            pytest.skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    opened = context.new_page()
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    opened.goto(address)
    yield opened
    context.close()
    assert wrong == []


def go(page, path):
    page.goto(re.match(r"http://[^/]+", page.url)[0] + path)


def test_runs_are_found_tagged_thrown_away_and_brought_back(page):
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    page.get_by_role("searchbox").fill("energy")
    expect(page.locator("article")).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    card = page.locator("article").filter(has=page.get_by_role("link", name="codes", exact=True))
    card.get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(card).to_have_count(1)


def test_a_run_is_started_by_the_form_and_seen_to_learn(page):
    go(page, "/new?recipe=gan")
    page.get_by_label("Name of the run").fill("by hand")
    for key, value in (("train.steps", "40"), ("data.name", "digits")):
        page.locator(f"[name='{key}']").fill(value)
    page.locator("summary", has_text="Model").click()
    page.locator("[name='model.hidden']").fill("[16]")
    page.locator("[name='model.discriminator_hidden']").fill("[16]")
    page.locator("summary", has_text="Training").click()
    page.locator("[name='train.log_every']").fill("5")
    page.locator("[name='train.save_every']").fill("20")
    page.locator("summary", has_text="Evaluation").click()
    page.locator("[name='evaluate.metrics']").fill("[nearest]")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("heading", name="by hand")).to_be_visible()
    expect(page.locator(".plot canvas").first).to_be_visible()
    expect(page.locator("img.samples")).to_be_visible()
    expect(page.locator(".state.done")).to_be_visible()


def test_a_wrong_setting_is_told_beside_the_form(page):
    go(page, "/new?recipe=gan")
    page.locator("[name='train.lr']").fill("fast")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("alert")).to_contain_text("train.lr")


def test_a_model_is_explored(page):
    go(page, "/runs/first/explore")
    expect(page.locator(".cell").first).to_be_visible()
    page.locator(".cell").first.click()
    expect(page.locator(".near canvas")).to_have_count(7)
    shown = page.locator("canvas.big")
    expect(page.locator(".slider input").first).to_be_visible()
    before = shown.evaluate("canvas => canvas.toDataURL()")
    slider = page.locator(".slider input").first
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[shown.element_handle(), before])
    page.get_by_role("button", name="Ask it").click()
    expect(page.get_by_role("heading", name="Test examples")).to_be_visible()


def test_a_picture_is_completed_by_brush(page):
    go(page, "/runs/chains/explore")
    page.locator("section", has_text="A given picture").locator(".cell").first.click()
    brush = page.locator("canvas.brush")
    expect(brush).to_be_visible()
    box = brush.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator(".answer", has=brush).locator(".out canvas")).to_have_count(6)
    page.locator("section", has_text="Markov chains").get_by_role("button", name="Step").click()
    expect(page.get_by_text("1 steps taken")).to_be_visible()


def test_runs_are_compared(page):
    go(page, "/compare?run=first&run=codes")
    expect(page.locator(".column canvas")).to_have_count(32)
    expect(page.locator(".plot canvas").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Numbers as CSV").click()
    assert "metric" in download.value.path().read_text(encoding="utf-8")


def test_the_game_is_played_by_hand_and_painted(page):
    go(page, "/theory")
    told = page.locator("figure.game figcaption").first
    expect(told).to_contain_text("Step 0")
    page.get_by_role("button", name="Step D").click()
    expect(told).to_contain_text("Step 1")
    page.get_by_role("button", name="Play").click()
    expect(told).to_contain_text(re.compile(r"Step ([3-9]\d|\d{3,})"))
    page.get_by_role("button", name="Pause").click()
    box = page.locator("canvas.board").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=8)
    page.mouse.up()
    expect(page.locator("select").nth(1)).to_have_value("painted")
    page.get_by_role("button", name="The Helvetica scenario").click()
    expect(page.locator(".story")).to_contain_text("eight steps")
    expect(told).to_contain_text("Step 0")


def test_a_study_is_made_and_taken(page):
    go(page, "/study")
    page.locator("summary", has_text="New study").click()
    page.get_by_label("Pictures of").select_option("first")
    page.get_by_label("Pairs for each person").fill("4")
    page.get_by_label("Attention checks").fill("0")
    page.get_by_role("button", name="Make it").click()
    taking = page.get_by_role("link", name="Take it here").get_attribute("href")
    go(page, taking)
    page.get_by_role("button", name="Begin").click()
    for i in range(4):
        expect(page.get_by_text(f"{i + 1} of 4")).to_be_visible()
        if i % 2:
            page.keyboard.press("ArrowLeft")
        else:
            page.get_by_role("button", name="the right picture").click()
    expect(page.get_by_text("Thank you")).to_be_visible()
    go(page, "/study")
    expect(page.get_by_text("1 joined, 1 are done, 4 answers")).to_be_visible()
    expect(page.get_by_text("Right answers")).to_be_visible()


def test_pages_fit_a_phone_and_speak_korean(browser, address):
    context = browser.new_context(locale="ko-KR", viewport={"width": 390, "height": 800}, color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.goto(address)
    expect(opened.get_by_role("heading", name="실행 목록")).to_be_visible()
    for path in ("/", "/new", "/theory", "/study", "/runs/first", "/runs/first/explore", "/compare"):
        go(opened, path)
        opened.wait_for_timeout(300)
        wide = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, path
    context.close()


def test_the_keyboard_reaches_everything(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    names = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        names.add(page.evaluate("document.activeElement.textContent || document.activeElement.type"))
    assert {"New run", "Compare", "search"} <= names
