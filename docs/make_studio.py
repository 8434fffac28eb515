"""Write the pictures of docs/studio.md: the page as a browser shows it, on a desk and on a phone.

python docs/make_studio.py     needs nicegui, plotly, playwright and Chromium
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import ratewise as rw

IMAGES = Path(__file__).resolve().parent / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PLANS = ("Warmup('5%') >> Cosine(to=0.1)", "WSD('5%', decay='20%', shape='sqrt')")
QUERY = "&".join(["?" + "&".join(f"plan={plan}" for plan in PLANS), "active=1&total=10000"
                  "&lr=0.0003&cursor=8800"])  # fmt: skip
LONG = 120_000


def log() -> str:
    """Return the log of a run with a cosine, as a Trainer of Transformers writes it."""
    plan = rw.parse("Warmup(500, start=0) >> Cosine(to=0.1)").resolve(10_000)
    assert isinstance(plan, rw.Schedule)
    noise = np.random.default_rng(0).normal(scale=0.02, size=10_001)
    rows = [{"step": t, "learning_rate": 3e-4 * plan(t), "loss": 2.1 + 2 / (1 + t / 300) ** 0.6
             + float(noise[t])} for t in range(100, 10_001, 100)]  # fmt: skip
    return json.dumps({"log_history": rows, "max_steps": 10_000, "global_step": 10_000})


def main() -> None:
    """Start the studio, open it, use it, and take the pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trainer_state.json"
        path.write_text(log())
        command = [sys.executable, "-u", "-m", "ratewise", "studio", "--no-browser", "--port", "0"]
        with subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                found = re.search(r"http://[\w.:]+/", server.stdout.readline())
                assert found, "the studio did not start"
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=CHROMIUM)
                    take(browser, found[0])
                    browser.close()
            finally:
                server.terminate()


def take(browser: Any, address: str) -> None:
    """Take both pictures."""
    desk = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened(desk, address)
    desk.get_by_role("tab", name="Predict").click()
    desk.get_by_role("button", name="Fit a law").click()
    desk.get_by_role("columnheader", name="loss").wait_for(timeout=LONG)
    desk.get_by_role("tab", name="Design").click()
    desk.wait_for_timeout(1500)
    desk.screenshot(path=IMAGES / "studio.png")
    phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    opened(phone, address)
    phone.wait_for_timeout(1500)
    phone.screenshot(path=IMAGES / "studio-phone.png")


def opened(page: Any, address: str) -> None:
    """Open the page, and wait until its curves are drawn."""
    page.goto(f"{address}{QUERY}")
    page.wait_for_selector(".studio-plot[data-drawn]", timeout=LONG)


if __name__ == "__main__":
    main()
