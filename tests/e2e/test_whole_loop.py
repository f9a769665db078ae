"""The loop as people go round it, in a real Chromium against the whole product: training, vLLM, broker, workers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Stack, log_in

pytestmark = [pytest.mark.e2e, pytest.mark.vllm, pytest.mark.xdist_group("stack"), pytest.mark.timeout(420)]

ITEMS = 10
# More than items, because pairs of identical answers are set aside.
PROMPTS = 60
# Every judgement that a key can give, so that the export meets ties and both-bad too.
KEYS = ["1", "2", "ArrowLeft", "ArrowRight", "1", "0", "9", "1", "2", "1"]
NO_CHECKS = {"check_share": "0", "attention_items": "0", "repeat_share": "0", "minimum_seconds": "0"}


def test_a_researcher_trains_an_annotator_rates_by_keyboard_and_the_pairs_are_trained_on(
    context: BrowserContext, stack: Stack, tmp_path: Path
):
    researcher = log_in(context, "rosa")
    import_pairs(researcher, tmp_path)
    launch(researcher, "DPO", name="First round", max_steps="6", learning_rate="0.005", lora_rank="8", batch_size="8")
    watch_it_finish(researcher)
    make_suite(researcher)
    start_study(researcher)
    wait_until_open(researcher)
    log_out(researcher)

    rate_ten_items_by_keyboard(log_in(context, "anna"))
    context.clear_cookies()

    researcher = log_in(context, "rosa")
    close_study(researcher)
    pairs = export(researcher)
    assert pairs, "the export holds no pair"
    assert set(pairs[0]) >= {"prompt", "chosen", "rejected"}
    make_dataset(researcher)
    launch_on_what_the_page_shows(researcher)
    expect(researcher.locator("#run-badge")).to_have_text(re.compile("Queued|Claimed|Running|Succeeded"))
    assert "Second round" in stack.manage("shell", "-v", "0", "-c", LIST_RUNS)


LIST_RUNS = "from training.models import Run; print([run.name for run in Run.objects.all()])"


def import_pairs(page: Page, folder: Path) -> None:
    """Upload sixty pairs and wait for the sealed version."""
    file = folder / "pairs.jsonl"
    rows = (
        {"prompt": f"What is {n} plus {n}?", "chosen": f"It is {2 * n}.", "rejected": f"Perhaps {2 * n + 1}, I think."}
        for n in range(60)
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page.goto("/datasets/new/")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Look at the rows").click()
    expect(page.get_by_text("All of the first 60 rows can be used")).to_be_visible()
    page.fill("input[name=name]", "Sums")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("link", name=re.compile("Sums v1|Open the version|version", re.I)).first.click(timeout=30_000)
    page.wait_for_url(re.compile(r"/datasets/sums/v1/"))
    expect(page.get_by_text(re.compile(r"\b60\b")).first).to_be_visible()


def launch(page: Page, method: str, **values: str) -> None:
    """From the version's page into the launch form, fill it in, queue the run."""
    page.get_by_role("link", name=re.compile(rf"\b{method}$")).first.click()
    page.wait_for_url(re.compile("/runs/new/"))
    page.select_option("select[name=base]", label="Tiny base · registered model")
    # The form comes to say by itself what the report found, and may want to know why one trains all the same.
    expect(page.get_by_text("Nobody has looked at this data yet")).to_have_count(0, timeout=60_000)
    for reason in page.locator("textarea[name=override_reason]").all():
        reason.fill("This data is made up.")
    for field, value in values.items():
        page.fill(f"input[name={field}]", value)
    page.get_by_role("button", name="Queue the run").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))


def watch_it_finish(page: Page) -> None:
    """Without a reload the page comes to say that the run has succeeded."""
    expect(page.locator("#run-badge")).to_have_text("Succeeded", timeout=180_000)
    expect(page.get_by_role("link", name="Open the policy")).to_be_visible()


def make_suite(page: Page) -> None:
    page.goto("/suites/new/")
    page.fill("input[name=name]", "Small sums")
    page.fill("textarea[name=prompts]", "\n".join(f"What is {n} plus one?" for n in range(PROMPTS)))
    page.get_by_role("button", name="Make the suite").click()
    page.wait_for_url(re.compile(r"/suites/small-sums/"))


def start_study(page: Page) -> None:
    """Compare the base and the new policy as soon as vLLM serves both."""
    for _ in range(60):
        page.goto("/studies/new/")
        if page.locator("input[name=policies]").count() >= 2 and "not up" not in page.inner_text("main"):
            break
        page.wait_for_timeout(2000)
    page.fill("input[name=name]", "Sums, first study")
    for box in page.locator("input[name=policies], input[name=suites]").all():
        box.check()
    # A model of random weights ends no answer by itself, and every judgement is to be a comparison.
    page.select_option("select[name=cut_off]", "show")
    for field, value in {"item_limit": str(ITEMS), "max_tokens": "12", **NO_CHECKS}.items():
        page.fill(f"input[name={field}]", value)
    page.get_by_role("button", name="Start the study").click()
    page.wait_for_url(re.compile(r"/studies/sums-first-study/"))


def wait_until_open(page: Page) -> None:
    expect(page.get_by_text("Open for rating").first).to_be_visible(timeout=120_000)


def log_out(page: Page) -> None:
    page.context.clear_cookies()
    page.close()


def rate_ten_items_by_keyboard(page: Page) -> None:
    """No mouse from here on: Enter starts and says that the guidelines are read, one key judges and brings the next."""
    expect(page.get_by_role("button", name="Start rating")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guidelines")
    page.keyboard.press("Enter")
    for judged, key in enumerate(KEYS):
        expect(page.locator("#rating-status")).to_contain_text(f"{judged} of {ITEMS}")
        page.keyboard.press(key)
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()


def close_study(page: Page) -> None:
    page.goto("/studies/sums-first-study/")
    page.get_by_role("button", name=re.compile("Close")).first.click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name=re.compile("Close")).last.click()
    expect(page.locator(".badge", has_text="Closed").first).to_be_visible()
    page.goto("/studies/sums-first-study/results/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def export(page: Page) -> list[dict[str, object]]:
    """Download the pairs in TRL's plain form."""
    page.goto("/studies/sums-first-study/export/")
    page.select_option("select[name=form]", "plain")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download|Export")).first.click()
    return [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]


def make_dataset(page: Page) -> None:
    page.goto("/studies/sums-first-study/make-dataset/")
    page.fill("input[name=dataset]", "Rated sums")
    page.get_by_role("button", name="Make the dataset").click()
    page.wait_for_url(re.compile(r"/sealings/[0-9a-f-]{36}/"))
    page.get_by_role("link", name="Open Rated sums v1").click(timeout=60_000)
    page.wait_for_url(re.compile(r"/datasets/rated-sums/v1/"))
    expect(page.get_by_text("Sums, first study").first).to_be_visible()


def launch_on_what_the_page_shows(page: Page) -> None:
    launch(page, "DPO", name="Second round", max_steps="2", lora_rank="8", batch_size="2")


def test_the_web_process_stays_below_200_mb_after_its_pages_were_used(context: BrowserContext, stack: Stack):
    page = log_in(context, "rosa")
    for path in ("/", "/datasets/", "/runs/", "/runs/new/dpo/", "/policies/", "/suites/", "/studies/", "/studies/new/"):
        assert page.goto(path).ok, path
    assert stack.web_megabytes() < 200
