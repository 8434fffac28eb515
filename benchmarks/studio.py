"""How long a slider's change takes to be on the screen, in a real browser.

The sliders of the studio are moved over a run of 10,000 updates, whose every level is drawn: the
browser tells the server, the server works the curves out, and plotly draws them. Measured is from
the event of the slider to the frame after plotly has drawn, the median of many. Beside it, in the
same browser and interleaved with it, a bare `Plotly.restyle` of one curve of 10,000 points: what
drawing alone costs. The aim is below 100 ms on a machine that does nothing else.

Run:  python benchmarks/studio.py [REPEATS]      (needs nicegui, plotly, playwright and Chromium)
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

SEED = 0  # nothing is drawn at random; the curves are the same in every run
UPDATES = 10_000
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUERY = f"?plan=Warmup(%225%25%22)>>Cosine(to=0.1)&total={UPDATES}&lr=0.0003"
FRAME = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));"

PREPARE = f"""async () => {{
    const {{ Plotly }} = await import("nicegui-plotly");
    const plot = document.querySelector(".studio-plot");
    const bare = document.createElement("div");
    bare.style.width = `${{plot.clientWidth}}px`;
    bare.style.height = `${{plot.clientHeight}}px`;
    document.body.append(bare);
    const y = Float64Array.from({{ length: {UPDATES} }}, (_, i) => Math.cos((i / {UPDATES}) * 3));
    await Plotly.newPlot(bare, [{{ y, type: "scatter", mode: "lines" }}], {{}});
    window.bare = async (turn) => {{
        const begun = performance.now();
        await Plotly.restyle(bare, {{ y: [y.map((level) => level * (1 + turn / 100))] }});
        {FRAME}
        return performance.now() - begun;
    }};
    const sliders = [...document.querySelectorAll("input[type=range]")];
    window.slide = async (label, value) => {{
        const named = (one) => one.closest(".studio-field").textContent.includes(label);
        const slider = sliders.find(named);
        const before = plot.dataset.drawn;
        const begun = performance.now();
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
        while (plot.dataset.drawn === before) {{ {FRAME} }}
        return performance.now() - begun;
    }};
}}"""


def main() -> None:
    """Measure, and print the medians and their ratio."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("repeats", nargs="?", type=int, default=30)
    repeats = parser.parse_args().repeats
    command = [sys.executable, "-u", "-m", "ratewise", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\w.:]+/", server.stdout.readline())
            assert found, "the studio did not start"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{found[0]}{QUERY}")
                page.wait_for_selector(".studio-plot[data-drawn]", timeout=120_000)
                report(page, repeats)
                browser.close()
        finally:
            server.terminate()


def report(page: Any, repeats: int) -> None:
    """Move the sliders, draw the bare curve in between, and print what it took."""
    page.evaluate(PREPARE)
    bare: list[float] = []
    slid: dict[str, list[float]] = {"What if": [], "Cursor": []}
    for turn in range(-3, repeats):  # the first three are not counted
        for label, times in slid.items():
            value = 110 + (turn + 3) % 80 if label == "What if" else 100 + 37 * (turn + 4)
            took = page.evaluate("([label, value]) => window.slide(label, value)", [label, value])
            drawn = page.evaluate("(turn) => window.bare(turn)", turn)
            if turn >= 0:
                times.append(took)
                bare.append(drawn)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; {UPDATES:,} points, {repeats} repeats")  # fmt: skip
    alone = statistics.median(bare)
    print(f"bare Plotly.restyle        {alone:7.1f} ms")
    for label, times in slid.items():
        median = statistics.median(times)
        name = f"{label} slider"
        print(f"{name:<26} {median:7.1f} ms   {median / alone:.2f}× the bare restyle")


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    main()
