"""The HTML report: well-formed, self-contained, honest about what it draws, and visible."""

import io
import re
import sys
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

import nlsq
from nlsq.io import FileError, result_document
from nlsq.io.html_report import html_report
from tests.browser import CHROMIUM, Browser

pytestmark = pytest.mark.usefixtures("quickly")

VOID = {"meta", "link", "br", "hr", "img", "input"}


def decay(t, A, tau, c):
    return A * np.exp(-t / tau) + c


def measured(size=80, noise=0.05):
    rng = np.random.default_rng(11)
    x = np.sort(rng.uniform(0, 10, size))
    return x, decay(x, 2.5, 2.0, 0.3) + noise * rng.normal(size=size)


@pytest.fixture(scope="module")
def document():
    x, y = measured()
    fit = nlsq.curve_fit(decay, x, y, p0=[1, 1, 0], sigma=np.full(80, 0.05), absolute_sigma=True)
    return result_document(
        fit,
        provenance={
            "title": "Decay <b>& more</b>", "model": "A*exp(-t/tau) + c", "created": "2024-05-01",
            "config": "data:\n  file: run.csv\n", "versions": {"nlsq": "1.0"},
            "timings": {"fit": 0.1},
        },
        table_info={"file": "run.csv", "format": "text, ';' separated", "sha256": "ab" * 32},
        x_label="t (s)", y_label="V (mV)",
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(document):
    return html_report(document)


class Reader(HTMLParser):
    """Checks nesting, and collects texts, tags and what would be loaded."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.loads, self.ids, self.text = [], [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href", "data", "action")]
        self.ids += [found["id"]] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def test_page_is_well_formed_and_loads_nothing(page):
    reader = Reader(page)
    assert all(v.startswith(("#", "data:,")) for v in reader.loads), reader.loads
    assert len(reader.ids) == len(set(reader.ids))
    assert not {"script", "iframe", "img", "object", "embed"} & set(reader.tags)
    assert set(re.findall(r'https?://[^"\s<]*', page)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert "url(" not in page.replace("url(#", "")
    assert "@import" not in page
    assert {t[1:] for t in re.findall(r"url\((#[^)]*)\)", page)} <= set(reader.ids)


def test_page_says_what_was_found_and_how(page, document):
    words = Reader(page).words
    for said in (
        "Decay <b>& more</b>", "The fit converged.", "A*exp(-t/tau) + c", "run.csv", "ab" * 32,
        "95 % interval", "Goodness of fit", "Correlations", "t (s)", "V (mV)", "2024-05-01",
        "data: file: run.csv", "\\begin{tabular}", "| :--- |", "77 degrees of freedom",
        "reduced χ²", "nlsq 1.0", "confidence band", "prediction band",
    ):  # fmt: skip
        assert said in words, said
    value = f"{document['popt'][1]:.3f}"
    assert value in words


def test_bad_news_is_prominent():
    x, y = measured()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        fit = nlsq.curve_fit(
            lambda x, a, b, c: a * b * x + c,
            x,
            y,
            p0=[1, 1, 0.7],
            bounds=([-9, -9, 0.5], [9, 9, 1]),
        )
    words = Reader(html_report(result_document(fit))).words
    assert "Converged, but the data do not determine a and b." in words
    assert "undetermined" in words
    assert "at bound" in words
    assert "c stopped at its upper bound 1" in words
    fit["success"], fit["message"] = False, "The evaluations ran out."
    words = Reader(html_report(result_document(fit))).words
    assert "The fit did not converge. The evaluations ran out. The values below are" in words


def test_a_million_points_stay_small_and_no_outlier_is_lost():
    x, y = measured(1_000_000, 0.02)
    y[1234] = 40.0
    fit = nlsq.curve_fit(decay, x, y, p0=[1, 1, 0])
    page = html_report(result_document(fit))
    assert len(page) < 3e6
    words = Reader(page).words
    assert "1,000,000 points are drawn as the range from the smallest to the largest" in words
    # the outlier's slice reaches higher than anything else in the upper panel
    assert re.search(r">\s*40\s*<", page)


def test_pages_of_other_data():
    x = np.linspace(0, 1, 40)
    grid = np.stack([x, x**2])
    several = nlsq.curve_fit(lambda x, a, b: a * x[0] + b * x[1], grid, x + np.cos(x))
    words = Reader(html_report(result_document(several))).words
    assert "observed = predicted" in words
    assert "predicted y" in words
    u, v = (axis.ravel() for axis in np.meshgrid(x[::5], x[::4]))
    plane = nlsq.curve_fit(lambda x, a, b: a * x[0] + b * x[1], (u, v), u - v + 0.1 * np.cos(9 * u))
    reader = Reader(html_report(result_document(plane, x_label="east, north")))
    assert "north" in reader.words and reader.tags.count("image") >= 3
    assert all(v.startswith(("#", "data:,", "data:image/png;base64,")) for v in reader.loads)
    z = (2 + 1j) * x + 0.1 * np.exp(5j * x)
    both = nlsq.curve_fit(lambda x, a, b: (a + 1j * b) * x, x, z)
    words = Reader(html_report(result_document(both))).words
    assert "real part" in words
    assert "imaginary part" in words
    exact = nlsq.curve_fit(lambda x, a: a * x, x, 2 * x)
    Reader(html_report(result_document(exact)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        square = nlsq.curve_fit(lambda x, a, b: a * x + b, [0.0, 1.0], [1.0, 3.0])
    Reader(html_report(result_document(square)))
    wide = np.geomspace(1e-3, 1e3, 50)
    Reader(html_report(result_document(nlsq.curve_fit(lambda x, a: a / (1 + x), wide, 1 / (1 + wide)
                                                      + 0.01 * np.cos(wide)))))  # fmt: skip
    law = 3 * wide**-1.5
    steep = nlsq.curve_fit(lambda x, a, b: a * x**b, wide, law, p0=[1, -1], sigma=0.1 * law)
    assert "residual / σ" in Reader(html_report(result_document(steep))).words


def test_page_of_many_parameters():
    x = np.linspace(-1, 1, 200)

    def poly(x, *p):
        return sum(c * x**i for i, c in enumerate(p))

    fit = nlsq.curve_fit(poly, x, np.exp(x) + 0.01 * np.cos(50 * x), p0=np.ones(18))
    assert "Strongest correlations" in Reader(html_report(result_document(fit))).words


def test_page_of_a_streamed_fit():
    x, y = measured(200_000)
    fit = nlsq.fit(decay, x, y, [1, 1, 0], workflow="chunked")
    words = Reader(html_report(result_document(fit))).words
    assert "of the 200,000 points that were fitted" in words


def test_hostile_names_are_text():
    x, y = measured()
    fit = nlsq.curve_fit(decay, x, y, p0=[1, 1, 0])
    evil = "<script>alert(1)</script>\x00]]>&"
    fit["param_names"] = (evil, "b", "c")
    fit["message"] = evil
    page = html_report(result_document(
        fit, provenance={"title": evil, evil: evil, "config": evil + "\n" + evil},
        table_info={"file": evil}, x_label=evil, y_label="$\\frac{",
    ))  # fmt: skip
    reader = Reader(page)
    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in reader.words


def test_what_a_report_needs(document, monkeypatch):
    with pytest.raises(FileError, match="not the document of a fit"):
        html_report({"a": 1})
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match="pip install matplotlib"):
        html_report(document)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page with")
def test_page_in_a_browser(page, tmp_path):
    from matplotlib import image

    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    browser = Browser()
    try:
        inks = {}
        for scheme in ("light", "dark"):
            browser.open(path.as_uri(), scheme)
            assert [url for url in browser.requests() if not url.startswith("data:")] == [
                path.as_uri()
            ]
            assert browser.complaints() == []
            boxes = browser.evaluate(
                "[...document.querySelectorAll('svg.figure')].map(s => {const b = "
                "s.getBoundingClientRect(); return [b.width, b.height, s.querySelectorAll('path, "
                "use').length]})"
            )
            assert len(boxes) == 2
            for width, height, marks in boxes:
                assert width > 600
                assert height > 150
                assert marks > 20
            wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            assert browser.evaluate(wide)
            pixels = image.imread(io.BytesIO(browser.screenshot()))[:, :, :3]
            inks[scheme] = pixels.mean()
            drawn = pixels[200:700].reshape(-1, 3)
            assert len(np.unique((drawn * 15).astype(int), axis=0)) > 20  # no blank page
        assert inks["light"] > 0.8
        assert inks["dark"] < 0.25
    finally:
        browser.close()
