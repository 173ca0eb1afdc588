"""The report's page in a real browser: it loads from a file alone, sorts, leads, and fits a phone."""

from __future__ import annotations

import pytest
from small_evaluation import BROKEN, MISCHIEF, evaluate, write_sequences

from ckd_ros.evaluation.report import write_report


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    sequences = write_sequences(folder / "set")
    write_report(evaluate(sequences, trackers=8), folder / "out", sequences)
    return (folder / "out" / "report.html").as_uri()


@pytest.fixture
def open_page(browser, url):
    """Opens the page; afterwards nothing may have been asked for but the page, and no error been logged."""
    contexts, requests, errors = [], [], []

    def open_(width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not errors
    assert {request for request in requests if not request.startswith("data:")} == {url}


def column(page, name: str) -> list[str]:
    """The texts of a column of the score table."""
    script = """name => {
        const table = document.querySelector('#scores table');
        const heads = [...table.tHead.rows[0].cells];
        const place = heads.findIndex(head => head.textContent.trim() === name);
        return [...table.tBodies[0].rows].map(row => row.cells[place].textContent.trim());
    }"""
    return page.evaluate(script, name)


def test_a_heading_sorts_by_numbers_and_says_so(open_page):
    page = open_page()
    head = page.locator("#scores th", has=page.get_by_role("button", name="PR", exact=True))
    head.get_by_role("button").click()
    figures = [float(text.rstrip("*")) for text in column(page, "PR")]
    assert len(figures) == 8 and figures == sorted(figures, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")  # the heading has the focus
    assert [float(text.rstrip("*")) for text in column(page, "PR")] == sorted(figures)
    assert head.get_attribute("aria-sort") == "ascending"
    page.locator("#scores").get_by_role("button", name="tracker").click()
    assert column(page, "tracker")[0] == MISCHIEF
    assert page.locator("#scores th[aria-sort]").count() == 1


def test_what_is_not_known_sorts_last_both_ways(open_page):
    page = open_page()
    button = page.locator("#speed").get_by_role("button", name="FPS")
    for _ in range(2):
        button.click()
        texts = page.locator("#speed tbody tr td:nth-child(4)").all_text_contents()
        assert texts[-1] == "–" and texts.count("–") == 1


def test_a_sequence_leads_to_its_own_place(open_page):
    page = open_page()
    page.locator("#sequences").get_by_role("link", name=BROKEN).click()
    place = page.locator(".sequence:target")
    assert place.locator("h3").inner_text().startswith(BROKEN)
    top = place.evaluate("element => element.getBoundingClientRect().top")
    assert -5 <= top < 900
    assert place.locator(".chart path.t0").get_attribute("d").startswith("M0 ")


def test_pictures_are_shown(open_page):
    page = open_page()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    sizes = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.naturalHeight])")
    assert len(sizes) == 18 and all(width > 50 and height > 50 for width, height in sizes)
    assert page.locator("figure.plot svg").count() == 5
    for box in page.locator("figure.plot svg").all():
        assert box.bounding_box()["width"] > 250 and box.bounding_box()["height"] > 200


def test_a_picture_opens_large_and_closes_again(open_page):
    page = open_page()
    picture = page.locator(".strip img").first
    small = picture.bounding_box()
    picture.click()
    large = page.locator("dialog img")
    assert large.bounding_box()["height"] > 1.5 * small["height"]
    assert large.get_attribute("src") == picture.get_attribute("src")
    assert page.locator("dialog").inner_text() == picture.get_attribute("alt")
    page.keyboard.press("Escape")
    assert not large.is_visible()
    page.keyboard.press("Enter")  # the picture has the focus again
    assert large.is_visible()
    large.click()
    assert not large.is_visible()


def test_a_chart_has_frame_numbers_where_the_frames_are(open_page):
    page = open_page()
    chart = page.locator(".chart").first
    ticks = chart.locator(".axis span")
    frames = int(chart.locator("xpath=../h3/small").text_content().split(" ")[0])
    numbers = [int(text.removeprefix("frame ")) for text in ticks.all_text_contents()]
    assert numbers[0] == 0 and len(numbers) >= 3 and numbers[-1] < frames
    chart.scroll_into_view_if_needed()
    whole, second = chart.locator("svg").bounding_box(), ticks.nth(1).bounding_box()
    middle = second["x"] + second["width"] / 2
    assert middle == pytest.approx(whole["x"] + whole["width"] * numbers[1] / (frames - 1), abs=3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_hidden_differs_from_the_background(open_page, scheme):
    page = open_page(1280, scheme)
    colours = page.evaluate("""() => {
        const svg = document.querySelector('.chart svg');
        const span = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
        span.setAttribute('class', 'hidden');
        svg.append(span);
        return [getComputedStyle(svg).backgroundColor, getComputedStyle(span).fill];
    }""")
    background, hidden = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert abs(background - hidden) > 120


def test_a_table_that_goes_on_says_so(open_page):
    page = open_page(400)
    table, hint = page.locator("#scores .scroll"), page.locator("#scores .hint")
    assert hint.is_visible()
    table.evaluate("area => area.scrollTo(area.scrollWidth, 0)")
    hint.wait_for(state="hidden")
    assert not open_page(1280).locator("#scores .hint").is_visible()


def test_a_name_is_text_and_never_a_script(open_page):
    page = open_page()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert MISCHIEF in column(page, "tracker")
    assert page.locator("script").count() == 1 and not dialogs


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_every_screen_by_day_and_by_night(open_page, width, scheme):
    page = open_page(width, scheme)
    page.locator("#settings summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink)]
    assert (brightness[0] > brightness[1]) == (scheme == "light") and abs(brightness[0] - brightness[1]) > 400
    # the plots' text follows the page's
    assert page.locator("figure.plot svg").first.evaluate("svg => getComputedStyle(svg).color") == ink


def test_printed_it_has_all_it_shows(open_page):
    page = open_page()
    page.emulate_media(media="print")
    tall = page.locator(".tall").first
    assert tall.evaluate("element => element.scrollHeight <= element.clientHeight + 1")
    assert not page.locator("nav").is_visible()
