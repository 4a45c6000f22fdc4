"""The page as Chromium shows it: nothing fetched, no error, filters, search, themes, copying, print."""

from __future__ import annotations

import shutil
import time
from itertools import pairwise

import pytest
from made_up_evidence import HOSTILE, add_run, said

from advntk.checks.evidence import read_run
from advntk.reports.formats import rendered
from advntk.reports.mutation_score import MutationScore

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
CLAIMS = {
    "first.holds": [said()],
    "first.fails": [said("REFUTED", 0.1)],
    "second.open": [said("INCONCLUSIVE", 0.3)],
}
# Names that an address does not take as they are.
ODD = {"odd.50%": [said()], "odd.a=b": [said("REFUTED", 0.1)], "odd.c d": [said()]}


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages of a plain run, of one whose every text is hostile, and of one with odd names: all sections."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text, claims in (
        ("plain", "digits", CLAIMS),
        ("hostile", HOSTILE, CLAIMS),
        ("odd", "digits", ODD),
    ):
        run = add_run(folder / name, claims, text, values=(0.4, 0.3, 0.2, 0.1))
        fault = {"claim": "first.holds", "statement": text, "verdict": "REFUTED", "seconds": 1.5}
        mutations = MutationScore("abc", (fault,))
        (folder / f"{name}.html").write_text(rendered(read_run(run), "html", mutations), encoding="utf-8")
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a page; what it asked for and complained of is in its `asked` and `complaints`."""
    contexts = []

    def open_page(name="plain", fragment="", before="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(before)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda said: page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        page.address = (files / f"{name}.html").as_uri()
        page.goto(page.address + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()


def shown(page):
    """Claims whose article can be seen."""
    articles = page.locator("article[data-claim]")
    return [
        articles.nth(i).get_attribute("data-claim")
        for i in range(articles.count())
        if articles.nth(i).is_visible()
    ]


@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_nothing_is_fetched_and_nothing_goes_wrong(visit, name):
    page = visit(name)
    assert page.asked == [page.address] and page.complaints == []
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    assert len(shown(page)) == 3


def test_every_figure_has_a_name_that_says_what_it_shows(visit):
    page = visit()
    figures = page.locator("figure")
    images = page.get_by_role("img")
    assert figures.count() == images.count() >= 4
    for i in range(images.count()):
        snapshot = images.nth(i).aria_snapshot()
        assert "Figure" in snapshot and len(snapshot) > 40


def test_filters_show_what_they_say_and_are_in_the_address(visit):
    page = visit()
    page.get_by_role("combobox", name="Theorem").select_option("first")
    assert shown(page) == ["first.holds", "first.fails"]
    assert page.locator("#count").inner_text() == "2 of 3 claims shown"
    page.get_by_role("checkbox", name="REFUTED").check()
    assert shown(page) == ["first.fails"] and "theorem=first&verdict=REFUTED" in page.url
    page.reload()
    assert shown(page) == ["first.fails"]
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('count').textContent.startsWith('3 of 3')")
    assert len(shown(page)) == 3
    page.get_by_role("checkbox", name="unexpected").check()
    assert shown(page) == ["first.fails", "second.open"]
    assert page.complaints == []


def test_filters_work_by_keyboard(visit):
    page = visit()
    page.get_by_role("checkbox", name="INCONCLUSIVE").focus()
    page.keyboard.press("Space")
    assert shown(page) == ["second.open"]
    page.get_by_role("combobox", name="Theorem").focus()
    page.keyboard.type("first")
    page.keyboard.press("Tab")
    assert shown(page) == []


def test_text_is_searched_for_in_what_claims_say(visit):
    page = visit()
    search = page.get_by_role("searchbox", name="Text")
    for text, found in {
        "FAILS": ["first.fails"],
        "holds first": ["first.holds", "first.fails"],  # every word, in any order; "it holds that ..."
        "second nowhere": [],
        "  ": list(CLAIMS),
    }.items():
        search.fill(text)
        assert shown(page) == found
        assert page.locator("#count").inner_text() == f"{len(found)} of 3 claims shown"
    search.fill("second & 50%+1=#")
    search.press("Enter")  # sends nothing
    page.reload()
    assert search.input_value() == "second & 50%+1=#" and shown(page) == []
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('count').textContent.startsWith('3 of 3')")
    assert search.input_value() == "" and page.complaints == []


@pytest.mark.parametrize("fragment", ["#%", "#a%zz=%", "#nowhere", "#theorem=nowhere&data=%00", "#="])
def test_an_address_that_points_nowhere_shows_everything(visit, fragment):
    page = visit(fragment=fragment)
    assert len(shown(page)) == 3 and page.complaints == []


@pytest.mark.parametrize("name", ODD)
def test_a_claim_has_a_link_whatever_it_is_called(visit, name):
    page = visit("odd", "#text=nowhere")
    assert shown(page) == []
    page.locator(f'.tile[href="#{name}"]').click()
    page.wait_for_function("document.getElementById('count').textContent.startsWith('3 of 3')")
    article = page.locator(f'article[data-claim="{name}"]')
    assert article.is_visible() and article.locator("h3 a.self").get_attribute("href") == f"#{name}"
    page.reload()
    assert len(shown(page)) == 3 and page.complaints == []


def test_data_can_be_chosen_whatever_it_is_called(visit):
    page = visit("hostile")
    options = page.get_by_role("combobox", name="Data").locator("option")
    assert options.count() == 2
    page.get_by_role("combobox", name="Data").select_option(index=1)
    assert len(shown(page)) == 3


def test_a_link_to_what_a_filter_hides_shows_it(visit):
    page = visit(fragment="#theorem=first")
    assert shown(page) == ["first.holds", "first.fails"]
    page.evaluate("location.hash = '#second.open'")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('3 of 3')")
    assert page.locator("[id='second.open']").is_visible()
    # Also while somebody is still typing.
    page.get_by_role("searchbox", name="Text").fill("first")
    assert shown(page) == ["first.holds", "first.fails"]
    page.evaluate("location.hash = '#second.open'")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('3 of 3')")
    assert page.url.endswith("#second.open") and page.locator("[id='second.open']").is_visible()


def test_links_of_the_contents_lead_somewhere(visit):
    page = visit(viewport={"width": 1400, "height": 800})
    links = page.locator("nav.contents a")
    assert links.count() >= 7
    for i in range(links.count()):
        links.nth(i).click()
        target = links.nth(i).get_attribute("href")[1:]
        assert page.evaluate("id => Boolean(document.getElementById(id))", target)
        assert page.locator(f"[id='{target}']").is_visible()


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def theme(page):
    return page.get_by_role("combobox", name="Theme", exact=True)


def test_the_theme_is_the_systems_until_one_is_chosen_and_that_is_kept(visit):
    page = visit(color_scheme="light")
    light = ground(page)
    assert ground(visit(color_scheme="dark")) != light == "rgb(255, 255, 255)"
    theme(page).select_option("dark")
    dark = ground(page)
    assert dark != light and ground(visit(color_scheme="dark")) == dark
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert ink != "rgb(0, 0, 0)"
    page.reload()
    assert ground(page) == dark and theme(page).input_value() == "dark"
    theme(page).select_option("system")
    assert ground(page) == light
    page.reload()
    assert ground(page) == light and theme(page).input_value() == "system"
    page.emulate_media(color_scheme="dark")
    assert ground(page) == dark
    theme(page).select_option("light")
    assert ground(page) == light and page.complaints == []


def test_a_browser_that_keeps_nothing_for_files_still_changes_the_theme(visit):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})"
    page = visit(before=refuse, color_scheme="light")
    light = ground(page)
    theme(page).select_option("dark")
    assert ground(page) != light and page.complaints == []
    assert len(shown(page)) == 3 and page.locator("#filters").is_visible()


@pytest.mark.parametrize("clipboard", ["", "delete Navigator.prototype.clipboard"])
def test_commands_can_be_copied_with_a_clipboard_and_without(visit, clipboard):
    page = visit(before=clipboard)
    search = page.get_by_role("searchbox", name="Text")
    # All pages share one clipboard, which must not hold the command already.
    search.fill("something else")
    search.press("ControlOrMeta+a")
    search.press("ControlOrMeta+c")
    search.fill("")
    command = page.locator("#provenance ~ dl .command")
    button = page.locator("#provenance ~ dl").get_by_role("button", name="Copy the command")
    button.click()
    page.wait_for_function("document.getElementById('said').textContent === 'Copied'")
    search.focus()
    page.keyboard.press("ControlOrMeta+v")
    assert search.input_value() == command.inner_text().strip() != ""
    assert page.complaints == []


def test_a_command_that_no_way_copies_stays_selected(visit):
    page = visit(before="delete Navigator.prototype.clipboard; Document.prototype.execCommand = () => false")
    page.locator("#provenance ~ dl").get_by_role("button", name="Copy the command").click()
    page.wait_for_function("document.getElementById('said').textContent.startsWith('Selected')")
    command = page.locator("#provenance ~ dl .command").inner_text()
    assert page.evaluate("getSelection().toString()").strip() == command.strip()


def test_folded_commands_have_their_button_when_they_are_opened(visit):
    page = visit()
    article = page.locator("article").first
    before = article.locator(".copy").count()
    article.get_by_text(", with the command").click()
    article.get_by_text("Replay", exact=True).last.click()
    article.locator(".copy").first.wait_for()
    assert before == 0 and article.locator(".copy").count() == 1


def test_paper_is_white_and_has_no_controls(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    assert ground(page) == "rgb(255, 255, 255)"
    for hidden in ("#filters", "#theme", "nav.contents", ".more", ".copy"):
        assert page.locator(hidden).count() >= 1
        assert not page.locator(hidden).first.is_visible()
    assert len(shown(page)) == 3
    assert page.pdf().startswith(b"%PDF")


def test_headings_come_in_order_and_every_table_is_named(visit):
    page = visit()
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.localName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tables = page.locator("table")
    assert tables.count() == page.locator("table > caption").count() >= 4
    assert all(text.strip() for text in tables.locator("> caption").all_text_contents())


def test_the_first_key_skips_to_the_verdicts(visit):
    page = visit()
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("e => e === document.activeElement && e.getBoundingClientRect().left >= 0")
    assert skip.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.url.endswith("#verdicts")


@pytest.mark.parametrize("width", [360, 800, 1280, 1400])
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_nothing_is_wider_than_the_screen(visit, name, width):
    page = visit(name, viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # An id of any length.
    page.locator(".verdicts td code").first.evaluate(
        "e => e.textContent = 'claim_of_an_own_theory.'.repeat(9)"
    )
    edges = "[...document.querySelectorAll('.verdicts td')].map(e => e.getBoundingClientRect().right)"
    assert page.evaluate(f"Math.max(...{edges})") <= width


def test_without_scripts_everything_is_there_and_no_control(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("article[data-claim]").count() == 3
    for i in range(3):
        assert page.locator("article[data-claim]").nth(i).is_visible()
    assert not page.locator("#filters").is_visible() and not page.locator("#theme").is_visible()


@pytest.mark.evidence
def test_a_page_of_100_000_trials_is_small_and_opens_at_once(browser, tmp_path):
    from advntk.checks.axes import WIDTH
    from advntk.checks.evidence import EvidenceStore, Outcome, TrialRow
    from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING

    folder = add_run(tmp_path / "many", CLAIMS, values=())
    store, scenario = EvidenceStore(folder), ADVERSARIAL_TRAINING.scenario()

    def row(width, seed):
        numbers = {"gap": (1 + seed % 97) / width}
        at, key = WIDTH.at(scenario, width).as_dict(), f"{width}/{seed}"
        return TrialRow("t", "f", at, "width", width, seed, Outcome.MEASURED, numbers, key=key)

    rows = [row(width, seed) for width in (8, 16, 32, 64) for seed in range(25_000)]
    store.add_trials(1, rows)
    store.close()
    began = time.perf_counter()
    text = rendered(read_run(folder), "html")
    assert time.perf_counter() - began < 60 and len(text) < 1_000_000
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri(), wait_until="load")
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart")
    assert 0 < loaded < 1000
    page.close()
